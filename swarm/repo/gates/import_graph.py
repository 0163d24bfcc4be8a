"""Which Python files a change can reach: by the imports that are written in them, without running any.

Static and therefore incomplete: an import by a computed name is not seen, nor is a file that is read as data.
Whoever asks runs all tests in the end.
"""

import ast
import hashlib
import warnings
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

_LARGEST = 2_000_000
"""Bytes of a source that is parsed; what is larger is data."""
_REMEMBERED = 20_000
"""Sources."""


def reachable_from(changed: Iterable[str], sources: Mapping[str, bytes]) -> set[str]:
    """The Python files that import a changed one, directly or not, with those among the changed themselves.

    Args:
        changed: paths relative to the repository; they may be gone.
        sources: path -> content of every Python file in the tree.
    """
    graph = _Graph(sources)
    found = {path for path in changed if path.endswith(".py")}
    ahead = deque(sorted(found))
    while ahead:
        for importer in graph.importers_of(ahead.popleft()):
            if importer not in found:
                found.add(importer)
                ahead.append(importer)
    return found & sources.keys()


class _Graph:
    """Who imports whom, by module names: a file that is gone is still a name that others import."""

    def __init__(self, sources: Mapping[str, bytes]) -> None:
        self._packages = {str(PurePosixPath(path).parent) for path in sources if _is_init(path)}
        self._importers: dict[str, set[str]] = defaultdict(set)
        self._below: dict[str, set[str]] = defaultdict(set)
        for path, content in sources.items():
            self._below[str(PurePosixPath(path).parent)].add(path)
            package = self._package_of(path)
            for name in _imports(content):
                self._importers[_absolute(name, package)].add(path)

    def importers_of(self, path: str) -> set[str]:
        """The files that import this one. pytest imports a conftest.py for all tests beside and below it."""
        found = set().union(*(self._importers.get(name, ()) for name in self._names_of(path)))
        if PurePosixPath(path).name == "conftest.py":
            folder = str(PurePosixPath(path).parent)
            found |= {
                each
                for place, paths in self._below.items()
                if folder in {".", place} or place.startswith(f"{folder}/")
                for each in paths
            }
        return found

    def _names_of(self, path: str) -> Iterator[str]:
        """Every name that the file could be imported by: from each folder above it that is no package."""
        parts = list(PurePosixPath(path).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        yield from (".".join(parts[start:]) for start in range(len(parts)))

    def _package_of(self, path: str) -> list[str]:
        """The package that relative imports in the file begin at, from the topmost folder that is one."""
        folder = PurePosixPath(path).parent
        names: list[str] = []
        while str(folder) in self._packages:
            names.insert(0, folder.name)
            folder = folder.parent
        return names


def _absolute(name: str, package: list[str]) -> str:
    """`..b` in the package a.b.c is a.b.b; what is no relative name stays as it is."""
    bare = name.lstrip(".")
    dots = len(name) - len(bare)
    if not dots:
        return name
    return ".".join([*package[: len(package) - dots + 1], *filter(None, [bare])])


def _imports(content: bytes) -> tuple[str, ...]:
    """The modules that a source names, remembered by its digest: parsing takes a thousand times as long."""
    digest = hashlib.blake2b(content, digest_size=16).digest()
    if digest not in _parsed:
        if len(_parsed) >= _REMEMBERED:
            _parsed.clear()
        _parsed[digest] = _parse_imports(content)
    return _parsed[digest]


_parsed: dict[bytes, tuple[str, ...]] = {}


def _parse_imports(content: bytes) -> tuple[str, ...]:
    """For `from a import b` both a and a.b; of what cannot be parsed, none."""
    if len(content) > _LARGEST:
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it says itself: an escape that is none, say
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each for alias in node.names for each in _prefixes(alias.name)}
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            names |= set(_prefixes(start)) | {_joined(start, alias.name) for alias in node.names}
    return tuple(names)


def _prefixes(name: str) -> Iterator[str]:
    """Importing a.b.c imports a and a.b as well."""
    dots = len(name) - len(name.lstrip("."))
    parts = name[dots:].split(".")
    yield from ("." * dots + ".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _joined(start: str, name: str) -> str:
    return f"{start}{name}" if start.endswith(".") else f"{start}.{name}"


def _is_init(path: str) -> bool:
    return PurePosixPath(path).name == "__init__.py"
