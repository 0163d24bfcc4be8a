"""A bounded map of a repository for a planner: folders, files with sizes, what Python files define."""

import ast
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from swarm.errors import RepositoryError
from swarm.repo.git.command import Git

LIMIT_CHARACTERS = 30_000
_PARSED_BYTES = 200_000
_PARSED_FILES = 2_000
_NAMES = 12

ListFiles = Callable[[Path], Iterable[str]]


def tracked_files(root: Path) -> list[str]:
    """The paths that git tracks below `root`, as text; names that are not UTF-8 are left out.

    Raises:
        RepositoryError: git cannot list them.
    """
    answer = Git.around(root).ask("ls-files", "-z")
    if not answer.succeeded:
        reason = answer.stderr.decode("utf-8", "replace").strip()
        raise RepositoryError(
            f"{root}: git cannot list its files: {reason}", hint="run it in a git repository"
        )
    paths = (raw.decode("utf-8", "replace") for raw in answer.stdout.split(b"\0") if raw)
    return [path for path in paths if path.isprintable() and "\ufffd" not in path]


def repo_map(
    root: Path, *, list_files: ListFiles = tracked_files, limit_characters: int = LIMIT_CHARACTERS
) -> str:
    """Describe the repository in at most `limit_characters`, more detail where it fits.

    Every folder gets a count of its files; then, folders near the top first, their names and sizes;
    then what their Python files define.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    paths = sorted(set(list_files(root)))
    for path in paths:
        folders[str(PurePosixPath(path).parent)].append(path)
    order = sorted(folders, key=lambda folder: (folder.count("/") + (folder != "."), folder))
    title = f"{len(paths)} tracked files in {len(order)} folders"
    lines = {folder: _counted(folder, folders[folder]) for folder in order}
    left = limit_characters - len(title) - sum(len(line) + 1 for line in lines.values())
    if left < 0:
        return _cut([title, *(lines[folder] for folder in order)], limit_characters)
    parsed = 0
    for describe in (_listed, _outlined):
        for folder in order:
            if describe is _outlined:
                parsed += len(folders[folder])
            better = describe(root, folder, folders[folder]) if parsed <= _PARSED_FILES else ""
            cost = len(better) - len(lines[folder])
            if better and cost <= left:
                lines[folder], left = better, left - cost
    return "\n".join([title, *(lines[folder] for folder in order)])


def _counted(folder: str, paths: list[str]) -> str:
    kinds = Counter(PurePosixPath(path).suffix or "no suffix" for path in paths)
    return f"{folder}/: {len(paths)} files ({', '.join(f'{n} {kind}' for kind, n in kinds.most_common(4))})"


def _listed(root: Path, folder: str, paths: list[str]) -> str:
    names = (f"{PurePosixPath(path).name} {_size(root / path)}" for path in paths)
    return f"{folder}/: " + ", ".join(names)


def _outlined(root: Path, folder: str, paths: list[str]) -> str:
    rows = [f"{folder}/:"]
    for path in paths:
        names = _definitions(root / path) if path.endswith(".py") else []
        defines = f": {', '.join(names)}" if names else ""
        rows.append(f"  {PurePosixPath(path).name} {_size(root / path)}{defines}")
    return "\n".join(rows)


def _definitions(path: Path) -> list[str]:
    """Top-level classes (with their public methods) and functions; none of a file that is no Python."""
    if not _is_plain_file(path) or path.stat().st_size > _PARSED_BYTES:
        return []
    try:
        module = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return []
    names = []
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.append(f"{node.name}()")
        elif isinstance(node, ast.ClassDef):
            methods = [n.name for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
            public = [name for name in methods if not name.startswith("_")][:_NAMES]
            names.append(f"{node.name}({', '.join(public)})" if public else node.name)
    return [*names[:_NAMES], "…"] if len(names) > _NAMES else names


def _size(path: Path) -> str:
    try:
        size = path.lstat().st_size
    except OSError:
        return "(gone)"
    return f"{size / 1000:.1f}k"


def _is_plain_file(path: Path) -> bool:
    """A regular file: a link may lead out of the repository."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _cut(lines: list[str], limit_characters: int) -> str:
    kept: list[str] = []
    room = limit_characters - 40
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return "\n".join([*kept, f"… and {len(lines) - len(kept)} more folders"])
        kept.append(line)
    return "\n".join(kept)
