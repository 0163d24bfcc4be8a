"""The kind `security`: no secret, and no finding of a scanner's, that the base did not have."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarm.plan.scope import WriteScope
from swarm.repo.gates.gate import Gate, GateResult
from swarm.repo.gates.ground import Ground, Version
from swarm.repo.gates.secrets import kinds_of_secret
from swarm.repo.git.paths import shown

_NAMED = 20
_LARGEST_FINDINGS = 50_000_000


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
    for version in versions:
        path = shown(version.path)
        if allowed.covers(path):
            continue
        before = Counter(version.old.splitlines())
        for number, line in enumerate(version.new.splitlines(), 1):
            if before[line] > 0:
                before[line] -= 1
                continue
            for kind in kinds_of_secret(line.decode("utf-8", "replace")):
                yield f"{path}:{number}: looks like a secret ({kind})"


def _scan(gate: Gate, ground: Ground, revision: str) -> Counter[Finding]:
    """What the scanner finds in a tree. Its exit code says nothing: most end with 1 where they find any."""
    with ground.checkout(revision) as tree:
        result = ground.run_on(tree, gate)
        if result.timed_out:
            raise FindingsError(f"the scanner took longer than {gate.timeout_s:g} s")
        try:
            found = list(parse_sarif(_read_findings(tree / gate.findings)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            said = f"the scanner ended with {result.exit_code}, and left no SARIF in {gate.findings}: {error}"
            raise FindingsError(f"{said}\n{result.output[-2000:].strip()}") from error
    root = f"{tree}/"
    return Counter(replace(each, path=each.path.removeprefix("file://").removeprefix(root)) for each in found)


def _read_findings(path: Path) -> bytes:
    # What the scanner wrote is as little to be trusted as the tree: no link is followed.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(_LARGEST_FINDINGS + 1)
    if len(content) > _LARGEST_FINDINGS:
        raise ValueError("it is larger than 50 MB")
    return content


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
