"""The kind `security`: no secret, and no finding of a scanner's, that the base did not have."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from swarm.plan.scope import WriteScope
from swarm.repo.gates.findings import Finding, FindingsError, forget_findings, read_findings
from swarm.repo.gates.gate import Gate, GateResult
from swarm.repo.gates.ground import Ground, Version
from swarm.repo.gates.secrets import kinds_of_secret
from swarm.repo.git.paths import shown

_NAMED = 20
_HIDDEN = "…"
_KEY_BEGINS = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY")
_KEY_LINES = 200
"""No private key is longer."""


def find_secrets_and_findings(gate: Gate, ground: Ground) -> GateResult:
    """Red when a line that the base does not have looks like a secret, or the scanner finds something new.

    Raises:
        SandboxEndedError: as `Ground.run`.
    """
    started = time.monotonic()
    try:
        until_s = started + gate.timeout_s
        told = list(_new_secrets(ground.versions(), WriteScope(gate.allow), until_s=until_s))
        if not told and gate.command:
            before = _scan(gate, ground, ground.base) if ground.base and ground.compares else []
            found = _scan(gate, ground, ground.tree)
            told = [f"{each} (new)" for each in _new_findings(before, found)] if ground.compares else []
    except FindingsError as error:
        return ground.verdict(gate, started, red=str(error))
    more = [f"and {len(told) - _NAMED} more"] if len(told) > _NAMED else []
    return ground.verdict(gate, started, red="\n".join([*told[:_NAMED], *more]))


def _new_secrets(versions: Iterable[Version], allowed: WriteScope, *, until_s: float) -> Iterator[str]:
    """Where a secret is, and of what kind; never the secret itself.

    Raises:
        FindingsError: it took longer than until then, a reading of `time.monotonic`.
    """
    looked_at = [(path, each) for each in versions if not allowed.covers(path := shown(each.path))]
    gone = Counter[bytes]()
    for _, version in looked_at:
        gone += Counter(_lines(version.old)) - Counter(_lines(version.new))
    for path, version in looked_at:
        place = "/".join(_HIDDEN if kinds_of_secret(part) else part for part in path.split("/"))
        if version.is_new and place != path:
            yield f"{place}: the name looks like a secret"
        before = Counter(_lines(version.old))
        for number, line in enumerate(_lines(version.new), 1):
            if before[line] > 0:
                before[line] -= 1
                continue
            text = line.partition(b"\n")[0].decode("utf-8", "replace")
            try:
                kinds = kinds_of_secret(text, until_s=until_s)
            except TimeoutError as error:
                late = f"{place}:{number}: no time was left to look for secrets from here on"
                raise FindingsError(late) from error
            if kinds:
                if gone[line] > 0:  # it was moved here from another file
                    gone[line] -= 1
                else:
                    yield from (f"{place}:{number}: looks like a secret ({kind})" for kind in kinds)


def _lines(content: bytes) -> list[bytes]:
    """Without NULs: they hide no secret in a binary file, and what is left of UTF-16 is ASCII.

    A private key is one line: its first alone is the same of all. Where another begins it has ended.
    """
    lines = content.replace(b"\0", b"").splitlines()
    begins = [at for at, line in enumerate(lines) if _KEY_BEGINS.search(line)]
    for at, after in pairwise([*begins, len(lines)]):
        block = lines[at : min(after, at + _KEY_LINES)]
        length = next((count for count, each in enumerate(block, 1) if b"-----END" in each), len(block))
        lines[at] = b"\n".join(block[:length])
    return lines


def _scan(gate: Gate, ground: Ground, revision: str) -> list[Finding]:
    """What the scanner finds in a tree. Its exit code says nothing: most end with 1 where they find any.

    Raises:
        FindingsError: it took too long, or has left nothing to read.
    """
    with ground.checkout(revision) as tree:
        forget_findings(tree, gate.findings)
        result = ground.run_on(tree, gate)
        if result.timed_out:
            raise FindingsError(f"the scanner took longer than {gate.timeout_s:g} s")
        try:
            return read_findings(tree, gate.findings)
        except FindingsError as error:
            said = f"the scanner ended with {result.exit_code}, and {error}"
            raise FindingsError(f"{said}\n{result.output[-2000:].strip()}") from error


def _new_findings(before: Sequence[Finding], after: Sequence[Finding]) -> list[Finding]:
    """Those that the base has not, or not so often; of several that are alike, those in another file."""
    left = Counter(each.identity for each in before)
    known = {(each.identity, each.path) for each in before}
    new = []
    for each in sorted(after, key=lambda one: ((one.identity, one.path) not in known, one.path, one.line)):
        if left[each.identity] > 0:
            left[each.identity] -= 1
        else:
            new.append(each)
    return sorted(new, key=lambda one: (one.path, one.line, str(one)))
