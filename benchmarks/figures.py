"""Where the figures of a benchmark go."""

import json
from pathlib import Path


def tell(figures: object, out: Path | None) -> None:
    """Print them as JSON, and write the same to a file if one was asked for."""
    text = json.dumps(figures, indent=1)
    print(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")
