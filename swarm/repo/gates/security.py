"""The kind `security`: no secret, and no finding of a scanner's, that the base did not have."""

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from swarm.plan.scope import WriteScope
from swarm.repo.gates.gate import Gate, GateResult
from swarm.repo.gates.ground import Ground, Version
from swarm.repo.gates.secrets import kinds_of_secret
from swarm.repo.git.paths import shown
from swarm.repo.workspaces.scan import open_beneath, open_folder

_NAMED = 20
_LARGEST_FINDINGS = 50_000_000
_FILE_URI = "file://"


class FindingsError(Exception):
    """What a scanner wrote cannot be read; the message says why."""


@dataclass(frozen=True)
class Finding:
    """One result of a scanner's, without its line: what was moved is not new."""

    rule: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}: {self.message}"


def find_secrets_and_findings(gate: Gate, ground: Ground) -> GateResult:
    """Red when a line that the base does not have looks like a secret, or the scanner finds something new.

    Raises:
        SandboxEndedError: as `Ground.run`.
    """
    started = time.monotonic()
    told = list(_new_secrets(ground.versions(), WriteScope(gate.allow)))
    if not told and gate.command:
        try:
            before = _scan(gate, ground, ground.base) if ground.compares else Counter[Finding]()
            new = _scan(gate, ground, ground.tree) - before
        except FindingsError as error:
            return ground.verdict(gate, started, red=str(error))
        told = [f"{finding} (new)" for finding in sorted(new.elements(), key=str)] if ground.compares else []
    more = [f"and {len(told) - _NAMED} more"] if len(told) > _NAMED else []
    return ground.verdict(gate, started, red="\n".join([*told[:_NAMED], *more]))


def _new_secrets(versions: Iterable[Version], allowed: WriteScope) -> Iterator[str]:
    """Where a secret is, and of what kind; never the secret itself."""
    looked_at = [(path, each) for each in versions if not allowed.covers(path := shown(each.path))]
    gone = Counter[bytes]()
    for _, version in looked_at:
        gone += Counter(_lines(version.old)) - Counter(_lines(version.new))
    for path, version in looked_at:
        before = Counter(_lines(version.old))
        for number, line in enumerate(_lines(version.new), 1):
            if before[line] > 0:
                before[line] -= 1
            elif kinds := list(kinds_of_secret(line.decode("utf-8", "replace"))):
                if gone[line] > 0:  # it was moved here from another file
                    gone[line] -= 1
                else:
                    yield from (f"{path}:{number}: looks like a secret ({kind})" for kind in kinds)


def _lines(content: bytes) -> list[bytes]:
    """Without NULs: they hide no secret in a binary file, and what is left of UTF-16 is ASCII."""
    return content.replace(b"\0", b"").splitlines()


def _scan(gate: Gate, ground: Ground, revision: str) -> Counter[Finding]:
    """What the scanner finds in a tree. Its exit code says nothing: most end with 1 where they find any."""
    with ground.checkout(revision) as tree:
        _forget_findings(tree, gate.findings)
        result = ground.run_on(tree, gate)
        if result.timed_out:
            raise FindingsError(f"the scanner took longer than {gate.timeout_s:g} s")
        try:
            found = list(parse_sarif(_read_findings(tree, gate.findings)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            said = f"the scanner ended with {result.exit_code}, and left no SARIF in {gate.findings}: {error}"
            raise FindingsError(f"{said}\n{result.output[-2000:].strip()}") from error
    return Counter(_without_place(each, f"{tree}/") for each in found)


def _without_place(finding: Finding, root: str) -> Finding:
    """The same in every checkout: each is a folder of its own."""
    path = finding.path
    if path.startswith(_FILE_URI):
        path = unquote(path.removeprefix(_FILE_URI))
    return replace(finding, path=path.removeprefix(root), message=finding.message.replace(root, ""))


def _forget_findings(tree: Path, findings: str) -> None:
    """Remove what the tree itself brings along: a scanner that breaks down must not be answered for by it."""
    with contextlib.suppress(OSError), _folder_of(tree, findings) as (folder_fd, name):
        os.unlink(name, dir_fd=folder_fd)  # relative to a descriptor


def _read_findings(tree: Path, findings: str) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with _folder_of(tree, findings) as (folder_fd, name):
        descriptor = os.open(name, flags, dir_fd=folder_fd)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(_LARGEST_FINDINGS + 1)
    if len(content) > _LARGEST_FINDINGS:
        raise ValueError("it is larger than 50 MB")
    return content


@contextlib.contextmanager
def _folder_of(tree: Path, findings: str) -> Iterator[tuple[int, str]]:
    """The folder of a file in a checkout, and its name there: a scanner is trusted as little as the tree.

    Raises:
        OSError: the folder is not there, or a link is on the way to it.
    """
    folder, _, name = findings.rpartition("/")
    root_fd = open_folder(tree)
    try:
        folder_fd = open_beneath(root_fd, os.fsencode(folder))
    finally:
        os.close(root_fd)
    try:
        yield folder_fd, name
    finally:
        os.close(folder_fd)


def parse_sarif(document: bytes) -> Iterator[Finding]:
    """The results in a SARIF 2.1.0 log.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    for run in json.loads(document)["runs"]:
        for result in run.get("results") or ():
            locations: Sequence[Any] = result.get("locations") or ({},)  # Any: straight from JSON
            for location in locations:
                place = location.get("physicalLocation", {})
                yield Finding(
                    str(result.get("ruleId", "")),
                    str(place.get("artifactLocation", {}).get("uri", "")),
                    str(result.get("message", {}).get("text", "")).strip(),
                )
