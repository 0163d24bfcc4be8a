"""The prompts, as text files, and how data is put into them."""

import re
from importlib.resources import files
from string import Template


def load_prompt(name: str) -> str:
    """The text of `<name>.md`."""
    return (files(__package__) / f"{name}.md").read_text(encoding="utf-8")


def fill_prompt(name: str, **values: str) -> str:
    """The text of `<name>.md` with its `$names` replaced; values are not looked into."""
    return Template(load_prompt(name)).substitute(values)


def quote(tag: str, text: str) -> str:
    """The text as data between `<tag>` lines; nothing in it can close them."""
    harmless = re.sub(rf"<(/?\s*{re.escape(tag)})", r"&lt;\1", text, flags=re.IGNORECASE)
    return f"<{tag}>\n{harmless.strip()}\n</{tag}>"
