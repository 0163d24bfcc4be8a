"""What of a commit its gates' commands run: scripts in it, and modules that something in it would hide."""

import os
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from swarm.repo.git.tree import EXECUTABLE, REGULAR, SYMLINK, TreeEntry, read_blobs, read_entries
from swarm.repo.hub.hub import Hub

_SHELL = r"(?:ba|da|z|k|fi)?sh"
_INTERPRETER = re.compile(
    rf"(?:.*/)?(?:{_SHELL}|(?:python|pypy|php)[0-9.]*|node|bun|deno|tsx|ruby|perl|lua|pwsh|powershell|Rscript)"
)
_RUNNER = re.compile(r"(?:.*/)?(?:uv|deno|bun|coverage|poetry|pdm|pipenv|hatch)")
"""With `run` after it."""
_PYTHON = re.compile(r"(?:.*/)?python[0-9.]*")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOADS = frozenset(("-r", "--require", "--import", "--loader"))
"""What comes after one of these is run, and is not yet the script."""
_FILES = frozenset((REGULAR, EXECUTABLE, SYMLINK))


def scripts_of(hub: Hub, commit: str, commands: Iterable[Sequence[str]]) -> set[str]:
    """The files of a commit that the commands run: executable ones, and what an interpreter gets.

    What else a command names is what it looks at, such as a file of tests. Of a link its target as well.
    """
    lines = [line for argv in commands for line in _lines(argv)]
    places = {_place(word) for line in lines for word in line} - {""}
    listed = read_entries(hub.git, commit, sorted(map(os.fsencode, places))) if places else {}
    files = {os.fsdecode(path): entry for path, entry in listed.items() if entry.mode in _FILES}
    found = {place for line in lines for place in _run_by(line, files)}
    links = [place for place in sorted(found) if files[place].mode == SYMLINK]
    targets = read_blobs(hub.git, [files[place].oid for place in links])
    return found | {
        posixpath.normpath(posixpath.join(posixpath.dirname(place), os.fsdecode(target)))
        for place, target in zip(links, targets, strict=True)
    }


def modules_from_elsewhere(hub: Hub, commit: str, commands: Iterable[Sequence[str]]) -> list[str]:
    """What the commands run by `python -m`, such as `pytest`, that is not in the commit itself."""
    names = {name for argv in commands if (name := _module_of(argv))}
    places = {
        name: [f"{name}{end}".encode() for end in (".py", "/__init__.py", "/__main__.py")] for name in names
    }
    every = [path for each in places.values() for path in each]
    known = read_entries(hub.git, commit, every) if every else {}
    return sorted(name for name, paths in places.items() if not known.keys() & set(paths))


def _lines(argv: Sequence[str]) -> Iterator[Sequence[str]]:
    """The command, and what a shell in it gets as text."""
    yield argv
    for before, word in pairwise(argv):
        if re.fullmatch(r"-[a-z]*c", before):
            try:
                yield shlex.split(word)
            except ValueError:
                yield word.split()


def _place(word: str) -> str:
    """Where a word would be in the tree; empty where it can be no path in it."""
    path = posixpath.normpath(word) if word else ""
    return "" if path.startswith(("/", "../", "-")) or path in {".", ".."} else path


def _run_by(argv: Sequence[str], files: Mapping[str, TreeEntry]) -> Iterator[str]:
    before, is_awaited = "", False  # a script, by an interpreter
    for word in argv:
        place = _place(word)
        entry = files.get(place)
        if entry:
            if is_awaited or entry.mode == EXECUTABLE or (entry.mode == SYMLINK and not before):
                yield place
            is_awaited = is_awaited and before in _LOADS
        elif _INTERPRETER.fullmatch(word) or (word == "run" and _RUNNER.fullmatch(before)):
            is_awaited = True
        elif word == "-m" or not (word.startswith("-") or before.startswith("-")):
            is_awaited = False  # a module, or another program
        before = word


def _module_of(argv: Sequence[str]) -> str:
    """The top package of what comes after the first `-m` of a Python; empty without one."""
    python = next((at for at, word in enumerate(argv) if _PYTHON.fullmatch(word)), len(argv))
    name = next((word for flag, word in pairwise(argv[python:]) if flag == "-m"), "").partition(".")[0]
    return name if _MODULE.fullmatch(name) else ""
