"""An analysis, written out."""

import json
from dataclasses import asdict

from tally.model import Analysis

# For people: `as_text(analysis)` goes here.


def _heading_line(analysis: Analysis) -> str:
    """The outline on one line: titles by level, parted by slashes."""
    return " / ".join(heading.title for heading in analysis.headings)


# For programs: `as_json(analysis)` goes here.


def _plain(analysis: Analysis) -> dict[str, object]:
    """The analysis as values that JSON has."""
    return json.loads(json.dumps(asdict(analysis)))
