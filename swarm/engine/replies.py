"""Decodes what the scripts and the hashes answer into records, and refusals into errors."""

from collections.abc import Sequence

from swarm.engine.claims import Claim, Failure, MergeTicket, Requeued
from swarm.engine.specs import decode_spec
from swarm.engine.store import Reply
from swarm.engine.words import text_of, words_of
from swarm.errors import RefusedError, RunCancelledError, StaleTokenError, UnknownTaskError
from swarm.keys import split_member
from swarm.models.usage import Usage
from swarm.states import TaskState

EVIDENCE_CAP = 64 * 1024
"""Bytes of evidence that are kept of a failure."""
REVIEW_CAP = 4096
"""Bytes that are kept of what a reviewer said of an attempt that was handed in; the log has all of it."""
_FOR_THE_REST = 32
REASON_CAP = 500
"""Characters of the reason that are."""
TICKET_WORDS = 7
"""Of one ticket in the answer of begin_merge."""


def refuse(answer: Sequence[str], name: str, token: int) -> None:
    """Raise what an answer other than OK means to the caller.

    Raises:
        RunCancelledError, StaleTokenError, UnknownTaskError.
        RefusedError: a task that it was to be expanded into exists already.
    """
    if answer[0] in {"OK", "MORE"}:
        return
    if answer[0] == "CANCELLED":
        raise RunCancelledError(f"task {name!r} was cancelled", hint="stop working on it")
    if answer[0] == "STALE":
        current = answer[1] if len(answer) > 1 else "0"
        raise StaleTokenError(
            f"token {token} of task {name!r} is no longer current; current is {current or '0'}",
            hint="stop working on it: somebody else may hold it",
        )
    if answer[0] == "EXISTS":
        raise RefusedError(f"task {answer[1]!r} exists already", hint=f"let {name!r} name it otherwise")
    raise UnknownTaskError(f"no task {name!r}")


def decode_claim(answer: list[Reply], worker_id: str) -> Claim:
    """The answer OK of the claim script."""
    _, head, spec, evidence = words_of(answer)
    member, attempt, token, base, branch, lease_ms, fresh_after = head.split("\n")
    return Claim(
        run=split_member(member)[0],
        task=decode_spec(spec),
        attempt=int(attempt),
        token=int(token),
        base=base,
        branch=branch,
        lease_ms=int(lease_ms),
        worker_id=worker_id,
        evidence=evidence,
        fresh_after=int(fresh_after),
    )


def decode_train(answer: Sequence[Reply], merger_id: str) -> tuple[MergeTicket, ...]:
    """The answer OK of the begin_merge script: its branch and slot, and seven words a ticket."""
    branch, lease_ms, slot_token, *words = map(text_of, answer[1:])
    rows = [words[place : place + TICKET_WORDS] for place in range(0, len(words), TICKET_WORDS)]
    return tuple(
        MergeTicket(
            run=split_member(member)[0],
            task=decode_spec(spec),
            attempt=int(attempt),
            token=int(token),
            merge_token=int(merge_token),
            train_token=int(slot_token),
            commit=commit,
            base=base,
            branch=branch,
            lease_ms=int(lease_ms),
            merger_id=merger_id,
        )
        for member, spec, attempt, token, merge_token, commit, base in rows
    )


def head_of(text: str, most: int) -> str:
    """The first lines of a text that fit into so many bytes; in place of the others, how many they are."""
    if len(text.encode("utf-8", "replace")) <= most:
        return text
    lines, kept, size = text.split("\n"), list[str](), _FOR_THE_REST
    for line in lines:
        size += len(line.encode("utf-8", "replace")) + 1
        if size > most:
            break
        kept.append(line)
    return "\n".join([*kept, f"and {len(lines) - len(kept)} lines more"])


def bounded(reason: str) -> str:
    """A reason as one line that fits a screen, whoever gave it."""
    return " ".join(reason.split())[:REASON_CAP]


def failure_arguments(failure: Failure) -> list[str | int]:
    """What the scripts want to know of a failure: of a long reason the head, of long evidence the tail."""
    evidence = failure.evidence.encode("utf-8", "replace")[-EVIDENCE_CAP:].decode("utf-8", "replace")
    charged, retryable = int(failure.kind.is_charged), int(failure.retryable)
    return [failure.kind.value, bounded(failure.reason), evidence, charged, retryable]


def decode_requeued(words: Sequence[str]) -> list[Requeued]:
    """Triples of member, worker and state, as the reaping scripts answer."""
    found = []
    for name, worker_id, state in zip(words[::3], words[1::3], words[2::3], strict=True):
        run, task = split_member(name)
        found.append(Requeued(run=run, task=task, worker_id=worker_id, state=TaskState(state)))
    return found


def usage_text(usage: Usage) -> str:
    """Usage as it is stored: four whole numbers."""
    return f"{usage.input_tokens} {usage.output_tokens} {usage.cache_read_tokens} {usage.cost_microusd}"
