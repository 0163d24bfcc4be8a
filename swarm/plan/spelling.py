"""Which known name somebody may have meant."""

import difflib
from collections.abc import Iterable

_MANY = 2_000

MEANT = {
    "name": "id",
    "title": "description",
    "prompt": "description",
    "deps": "dependencies",
    "requires": "dependencies",
    "depends_on": "dependencies",
    "scope": "files",
    "paths": "files",
    "writes": "files",
    "timeout": "timeout_s",
    "estimate": "estimate_s",
    "duration": "estimate_s",
    "retries": "max_attempts",
    "attempts": "max_attempts",
    "model": "tier",
    "agent": "executor",
    "cmd": "command",
    "argv": "command",
    "run": "command",
    "checks": "acceptance",
    "reviewed": "review",
    "candidates": "best_of",
    "tests": "acceptance",
}
"""Field names that other plan formats use, and ours."""


def first_few(names: Iterable[str], most: int = 5) -> str:
    """The first few of many names, as a person reads them; `…` says that there are more."""
    known = list(names)
    return ", ".join(map(repr, known[:most])) + (", …" if len(known) > most else "")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """At most three known names that look like `name`, the likeliest first.

    With thousands of known names only those that begin alike are compared, so that a plan full of
    mistakes is not answered in quadratic time.
    """
    names = list(known)
    folded = name.casefold().replace("-", "_")
    same = [one for one in names if one.casefold().replace("-", "_") == folded]
    if same:
        return same[:3]
    if len(names) > _MANY:
        names = [one for one in names if one[:2] == name[:2]][:_MANY]
    return difflib.get_close_matches(name, names, n=3, cutoff=0.6)
