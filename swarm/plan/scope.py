"""Write scopes: what a task's `files` and `reads` name, and which paths they cover.

A pattern is a path or a gitignore-style glob, anchored at the repository's top and matched with
case; a directory covers everything below it. A last part with an extension, such as `conf.d`, is a
file unless it ends in a slash: the lock table has to know which without asking the disk. As in
git's own pathspecs, a pattern also covers the path that is spelled exactly like it, so
`pages/[id].tsx` names that file.

The matcher is ours and linear: the usual translation of a glob into one regular expression
backtracks, and a plan together with a file name could hold up the merge queue for hours. The tests
compare it with pathspec.
"""

import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from swarm.plan.folders import may_be_folder
from swarm.sandbox.git_names import HFS_IGNORES, is_git_name

WHOLE_REPOSITORY = "**"
MAX_PATH_BYTES = 4096
MAX_NAME_BYTES = 255

_GLOB = re.compile(r"(?<!\\)[*?\[]")
_WILD = re.compile(r"[*?\[]")
_SPECIAL = re.compile(r"[*?\[\\]")
_ESCAPE = re.compile(r"\\(.)")
_BAD_ESCAPE = re.compile(r"\\(?![*?\[\]!# ])")
_BRACKET = re.compile(r"\[[!^]?\]?[^\]]*(\]?)")
_DRIVE = re.compile(r"[A-Za-z]:(/|$)")
# Names of letters, digits and stars that do not begin with a dot: most paths, and nothing to correct.
_ORDINARY = re.compile(r"(?:[A-Za-z0-9_*+-][A-Za-z0-9_*+.-]*/)*[A-Za-z0-9_*+-][A-Za-z0-9_*+.-]*")
_BIDI = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u2028\u2029"
)


class PatternError(ValueError):
    """A path or glob cannot be used as a scope; the message says why, with the value."""


@lru_cache(maxsize=1 << 16)
def normalise_pattern(text: str) -> str:
    """Return the one spelling of a path or glob: no `./`, no doubled or trailing slash.

    `.` becomes `**`, the whole repository. The order of checks decides only which of several
    faults is named.

    Raises:
        PatternError: absolute, leaves the repository, names `.git`, negated, or not a usable path.
    """
    if len(text) <= MAX_NAME_BYTES and _ORDINARY.fullmatch(text):
        return text
    if not text.strip():
        raise PatternError(f"empty path {text!r}")
    fault = _character_fault(text) or _form_fault(text)
    if fault:
        raise PatternError(f"{fault} in {text!r}")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not parts:
        return WHOLE_REPOSITORY
    fault = _parts_fault(parts)
    if fault:
        raise PatternError(f"{fault} in {text!r}")
    is_folder = text.endswith("/") and not is_glob(parts[-1]) and not may_be_folder(parts[-1])
    return "/".join([*parts, "**"] if is_folder else parts)


def literal_pattern(path: str) -> str:
    """The pattern that covers this path, as it is spelled, and what would be below it if it is a folder.

    Raises:
        PatternError: no pattern can name it.
    """
    escaped = _WILD.sub(r"\\\g<0>", path)
    pattern = normalise_pattern(f"\\{escaped}" if escaped.startswith("!") else escaped)
    if literal_prefix(pattern) != path:  # a backslash of its own, that reads as an escape
        raise PatternError(f"backslash in {path!r}")
    return pattern


def name_fault(path: str) -> str:
    """The character for which no pattern could name this path; empty when one could."""
    return _character_fault(path.replace(" ", "_"))


def _character_fault(text: str) -> str:
    for character in text:
        if character in _BIDI:
            return f"invisible character U+{ord(character):04X}"
        kind = unicodedata.category(character) if not " " <= character <= "~" else ""
        if kind == "Cc":
            return f"control character U+{ord(character):04X}"
        if kind == "Cs":
            return "lone surrogate"
    return "leading or trailing space" if text != text.strip() else ""


def _form_fault(text: str) -> str:
    if text.startswith("/") or _DRIVE.match(text):
        return "absolute path"
    if text.startswith("!"):
        return r"negated pattern (write `\!` for a name that begins with it)"
    if _BAD_ESCAPE.search(text):
        return "backslash (folders are parted by `/`)"
    if len(text.encode()) > MAX_PATH_BYTES:
        return f"path longer than {MAX_PATH_BYTES} bytes"
    return ""


def _parts_fault(parts: list[str]) -> str:
    if is_home_name(_unescape(parts[0])):
        return "swarm's own folder"
    for part in parts:
        if part == "..":
            return "`..`"
        if is_git_name(_unescape(part)):
            return "git's own folder"
        if len(part.encode()) > MAX_NAME_BYTES:
            return f"name longer than {MAX_NAME_BYTES} bytes"
        if fault := _bracket_fault(part):
            return fault
    return ""


def _bracket_fault(part: str) -> str:
    for found in _BRACKET.finditer(part.replace("\\[", "")):
        if not found[1]:
            return r"`[` without `]` (write `\[` for the character itself)"
        if "\\" in found[0] or "[:" in found[0]:
            return "backslash or character class inside `[…]`"
    return ""


def is_home_name(name: str) -> bool:
    """Where swarm keeps its state, at a repository's top; what landed there would be taken for its own."""
    return HFS_IGNORES.sub("", name).casefold().rstrip(". ") == ".swarm"


def is_glob(pattern: str) -> bool:
    """The normalised pattern has a wildcard that is not escaped."""
    return _GLOB.search(pattern) is not None


def literal_prefix(pattern: str) -> str:
    """The folder or file that holds all the normalised pattern covers; empty for the whole repository.

    A pattern without wildcards is its own prefix, with its escapes undone.
    """
    if "\\" not in pattern:
        first = _SPECIAL.search(pattern)
        return pattern if first is None else pattern[: first.start()].rpartition("/")[0]
    parts: list[str] = []
    for part in pattern.split("/"):
        if is_glob(part):
            break
        parts.append(_unescape(part))
    return "/".join(parts)


def is_inside(pattern: str, outer: Sequence[str]) -> bool:
    """Whatever the pattern covers, one of `outer` covers; all normalised.

    Unsure is no: of two globs only the same text counts, or a folder that one of `outer` covers wholly. So
    `src/a*.py` does not count as inside `src/*.py`, though it is.
    """
    if pattern in outer:
        return True
    prefix = literal_prefix(pattern)
    if not is_glob(pattern):
        return WriteScope(outer).covers(prefix)
    return any(_covers_folder(wide, prefix) for wide in outer)


def _covers_folder(pattern: str, folder: str) -> bool:
    """The pattern covers everything below this folder."""
    if not is_glob(pattern):
        literal = literal_prefix(pattern)
        return may_be_folder(literal.rpartition("/")[2]) and _is_below(folder, literal)
    above, _, last = pattern.rpartition("/")
    if last in {"*", "**"} and not is_glob(above) and _is_below(folder, literal_prefix(above)):
        return True
    return bool(folder) and WriteScope([pattern]).covers(folder)


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder + "/")


class WriteScope:
    """The paths that a list of patterns covers."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(normalise_pattern(pattern) for pattern in patterns)
        self._globs = tuple(tuple(pattern.split("/")) for pattern in self.patterns if is_glob(pattern))
        self._literals = frozenset(p if is_glob(p) else literal_prefix(p) for p in self.patterns)

    def covers(self, path: str) -> bool:
        """The path, relative to the repository and parted by `/`, may be written.

        Never true for a path that no pattern could name: absolute, with `..`, control or invisible
        characters, or inside git's own folder.
        """
        parts = path.split("/")
        if name_fault(path) or not all(parts) or not {".", ".."}.isdisjoint(parts):
            return False
        if is_home_name(parts[0]) or any(map(is_git_name, parts)):
            return False
        if path in self._literals:
            return True
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)) if may_be_folder(parts[depth - 1]))
        if any(folder in self._literals for folder in above):
            return True
        return any(_matches_a_folder_or_all(glob, parts) for glob in self._globs)


def _matches_a_folder_or_all(glob: Sequence[str], parts: Sequence[str]) -> bool:
    """The glob matches the path or one of the folders it is in.

    Going back to the last `**` is enough: whatever an earlier one could take, the last one can too.
    """
    at = wanted = resume = 0
    last_star = -1
    while wanted < len(glob):
        if glob[wanted] == "**":
            last_star, resume = wanted, at
            wanted += 1
            if wanted == len(glob):
                return at < len(parts)
        elif at < len(parts) and _segment(glob[wanted]).match(parts[at]):
            at += 1
            wanted += 1
        elif last_star >= 0 and resume < len(parts):
            resume += 1
            at, wanted = resume, last_star + 1
        else:
            return False
    return True


@lru_cache(maxsize=4096)
def _segment(glob: str) -> re.Pattern[str]:
    # The library translates stars into atomic groups, which never backtrack into each other.
    bracketed = _ESCAPE.sub(lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], glob)
    return re.compile(fnmatch.translate(bracketed.replace("[^", "[!")))


def _unescape(part: str) -> str:
    return _ESCAPE.sub(r"\1", part)
