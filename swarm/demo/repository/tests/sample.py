"""A document to analyse, and what is in it."""

from tally.model import Analysis, Heading, Link

TEXT = """# Bread

Bread needs flour, water and time. Good bread needs more time.

## How

See [the recipe](recipe.md). It says:

```
# not a heading
```

Is bread hard? No!
"""

ANALYSIS = Analysis(
    words=22,
    unique_words=17,
    sentences=8,
    minutes=0.1,
    common=(("bread", 4), ("needs", 2), ("time", 2), ("flour", 1), ("good", 1)),
    headings=(Heading(1, "Bread"), Heading(2, "How")),
    links=(Link("the recipe", "recipe.md"),),
)
