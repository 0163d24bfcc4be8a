"""What a scanner has found in a tree: its SARIF log, and by what one finding is told from another."""

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

from swarm.repo.workspaces.scan import open_beneath, open_folder

_LARGEST = 50_000_000
_FILE_URI = re.compile(r"file:(//[^/]*)?(?=/)", re.IGNORECASE)
"""What stands before the path; some programs write one slash, others the name of the host."""
_ABSOLUTE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:")


class FindingsError(Exception):
    """What a scanner wrote cannot be read; the message says why."""


@dataclass(frozen=True)
class Finding:
    """One result of a scanner's, at one place."""

    rule: str
    path: str
    message: str
    line: int = 0  # from 1; 0 where the scanner names none
    text: bytes = b""  # of that line, without the white space around it; empty where nobody knows it

    @property
    def identity(self) -> tuple[str, str, bytes, str]:
        """The same after a move, within a file or to another; another for another line.

        Where the text is unknown the path has to do: else any finding would pass for any other of its rule.
        """
        return self.rule, self._message_without_place(), self.text, "" if self.text else self.path

    def _message_without_place(self) -> str:
        message = self.message
        if self.path and self.path in message:
            message = re.sub(rf"(?<![\w./-]){re.escape(self.path)}(:\d+)*(?![\w/-])", "", message)
        return re.sub(rf"\bline {self.line}\b", "line", message) if self.line else message

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.rule}: {self.message}"


def forget_findings(tree: Path, findings: str) -> None:
    """Remove what the tree itself brings along: a scanner that breaks down must not be answered for by it."""
    with contextlib.suppress(OSError), _folder_of(tree, findings) as (folder_fd, name):
        os.unlink(name, dir_fd=folder_fd)  # relative to a descriptor


def read_findings(tree: Path, findings: str) -> list[Finding]:
    """What the scanner has written into that file of the tree, with the text of the lines it is about.

    Raises:
        FindingsError: there is no such file, or it is no SARIF.
    """
    try:
        found = list(parse_sarif(_read(tree, findings), f"{tree}/"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FindingsError(f"left no SARIF in {findings}: {error}") from error
    return list(_with_text(tree, (_without_root(each, f"{tree}/") for each in found)))


def parse_sarif(document: bytes, root: str = "") -> Iterator[Finding]:
    """The results in a SARIF 2.1.0 log; their text is what the log quotes of the place.

    `root` is the folder that was looked at, with a slash at its end.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    for run in json.loads(document)["runs"]:
        bases = run.get("originalUriBaseIds") or {}
        artifacts = run.get("artifacts") or ()
        for result in run.get("results") or ():
            locations: Sequence[Any] = result.get("locations") or ({},)  # Any: straight from JSON
            for location in locations:
                place = location.get("physicalLocation") or {}
                region = place.get("region") or {}
                quoted = str((region.get("snippet") or {}).get("text") or "")
                yield Finding(
                    str(result.get("ruleId", "")),
                    _place_of(place.get("artifactLocation") or {}, bases, artifacts, root),
                    str(result.get("message", {}).get("text", "")).strip(),
                    int(region.get("startLine") or 0),
                    quoted.strip().encode("utf-8", "replace"),
                )


def _place_of(location: Any, bases: Any, artifacts: Any, root: str) -> str:  # Any: straight from JSON
    """Where an artifactLocation leads (SARIF 2.1.0, 3.4): its URI on top of those of the bases that it names.

    A base that the run does not define, or only by name, is the top of the tree. So is one outside of it:
    that is what a scanner in a container calls it.
    """
    index = location.get("index", -1)
    if "uri" not in location and 0 <= index < len(artifacts):
        location = artifacts[index].get("location") or {}
    place, seen = _local(str(location.get("uri", ""))), set[str]()
    while not _ABSOLUTE.match(place) and (name := str(location.get("uriBaseId", ""))) and name not in seen:
        seen.add(name)  # the standard forbids a circle, and scanners may not know
        location = bases.get(name) or {}
        if base := str(location.get("uri", "")):
            joined = _local(f"{base.rstrip('/')}/") + place
            if _ABSOLUTE.match(joined) and not joined.startswith(root):
                break
            place = joined
    return place


def _local(uri: str) -> str:
    """The path that a URI of a file names; another URI, or a path, as it is."""
    local = _FILE_URI.match(uri)
    return unquote(uri[local.end() :]) if local else uri


def _without_root(finding: Finding, root: str) -> Finding:
    """The same in every checkout: each is a folder of its own."""
    path = normpath(finding.path.removeprefix(root)) if finding.path else ""
    return replace(finding, path=path, message=finding.message.replace(root, ""))


def _with_text(tree: Path, found: Iterable[Finding]) -> Iterator[Finding]:
    """The text of each line as the tree has it: a quotation may hold more, or less."""
    for path, there in groupby(sorted(found, key=attrgetter("path")), key=attrgetter("path")):
        lines = _lines_of(tree, path)
        for each in there:
            text = lines[each.line - 1] if 0 < each.line <= len(lines) else b""
            yield replace(each, text=text or each.text)


def _lines_of(tree: Path, path: str) -> list[bytes]:
    """The lines of a file in the checkout; none of what is no file, or not in there."""
    for name in dict.fromkeys((path, unquote(path))):  # a relative URI is quoted by some scanners only
        if not name or normpath(name).startswith(("/", "..")):
            continue
        with contextlib.suppress(OSError, ValueError):
            return [line.strip() for line in _read(tree, name).split(b"\n")]
    return []


def _read(tree: Path, path: str) -> bytes:
    """The content of a file in a checkout.

    Raises:
        OSError: it is not there, or a link is on the way to it.
        ValueError: it is too large, or no file, or nothing can have this name.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with _folder_of(tree, path) as (folder_fd, name):
        descriptor = os.open(name, flags, dir_fd=folder_fd)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError("it is larger than 50 MB")
    return content


@contextlib.contextmanager
def _folder_of(tree: Path, path: str) -> Iterator[tuple[int, str]]:
    """The folder of a file in a checkout, and its name there: a scanner is trusted as little as the tree.

    Raises:
        OSError: the folder is not there, or a link is on the way to it.
    """
    folder, _, name = path.rpartition("/")
    root_fd = open_folder(tree)
    try:
        folder_fd = open_beneath(root_fd, os.fsencode(folder))
    finally:
        os.close(root_fd)
    try:
        yield folder_fd, name
    finally:
        os.close(folder_fd)
