"""Decodes what the scripts and the hashes answer into records, and refusals into errors."""

from collections.abc import Mapping, Sequence

from swarm.engine.records import (
    AgentRecord,
    Claim,
    Event,
    Failure,
    MergeTicket,
    Requeued,
    RunRecord,
    TaskRecord,
)
from swarm.engine.specs import decode_spec
from swarm.engine.store import Reply
from swarm.engine.words import hash_of, text_of, words_of
from swarm.errors import RunCancelledError, StaleTokenError, UnknownTaskError
from swarm.keys import split_member
from swarm.models.usage import Usage
from swarm.states import RunState, TaskState

EVIDENCE_CAP = 64 * 1024
"""Bytes of evidence that are kept of a failure."""


def refuse(answer: Sequence[str], name: str, token: int) -> None:
    """Raise what an answer other than OK means to the caller.

    Raises:
        RunCancelledError, StaleTokenError, UnknownTaskError.
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
    raise UnknownTaskError(f"no task {name!r}")


def decode_claim(answer: list[Reply], worker_id: str) -> Claim:
    """The answer OK of the claim script."""
    _, member, spec, attempt, token, base, branch, lease_ms, evidence = words_of(answer)
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
    )


def decode_ticket(answer: Sequence[Reply], merger_id: str) -> MergeTicket:
    """The answer OK of the begin_merge script."""
    _, member, spec, attempt, token, merge_token, commit, base, branch, lease_ms = map(text_of, answer)
    return MergeTicket(
        run=split_member(member)[0],
        task=decode_spec(spec),
        attempt=int(attempt),
        token=int(token),
        merge_token=int(merge_token),
        commit=commit,
        base=base,
        branch=branch,
        lease_ms=int(lease_ms),
        merger_id=merger_id,
    )


def failure_arguments(failure: Failure) -> list[str | int]:
    """What the scripts want to know of a failure; of long evidence the end."""
    evidence = failure.evidence.encode("utf-8", "replace")[-EVIDENCE_CAP:].decode("utf-8", "replace")
    charged, retryable = int(failure.kind.is_charged), int(failure.retryable)
    return [failure.kind.value, failure.reason, evidence, charged, retryable]


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


def decode_usage(text: str) -> Usage:
    """Usage from its stored form; nothing stored is nothing spent."""
    return Usage(*map(int, text.split())) if text else Usage()


def decode_task(member: str, stored: Mapping[str, str], lease_ends: Reply) -> TaskRecord:
    """A task's record from its hash and its lease; what it waits for is not among them."""

    def number(name: str) -> int:
        return int(stored.get(name) or 0)

    return TaskRecord(
        run=split_member(member)[0],
        spec=decode_spec(stored["spec"]),
        state=TaskState(stored["state"]),
        attempt=number("attempt"),
        failures=number("failures"),
        setbacks=number("setbacks"),
        crashes=number("crashes"),
        token=number("token"),
        worker_id=stored.get("worker", ""),
        parked_on=stored.get("parked_on", ""),
        not_before_ms=number("not_before_ms"),
        lease_ends_ms=int(float(text_of(lease_ends) or 0)),
        queued_ms=number("queued_ms"),
        claimed_ms=number("claimed_ms"),
        started_ms=number("started_ms"),
        handed_in_ms=number("handed_in_ms"),
        merge_begun_ms=number("merge_begun_ms"),
        ended_ms=number("ended_ms"),
        lock_wait_ms=number("lock_wait_ms"),
        busy_ms=number("busy_ms"),
        base=stored.get("base", ""),
        attempt_commit=stored.get("attempt_commit", ""),
        merged_commit=stored.get("merged_commit", ""),
        failure_kind=stored.get("failure_kind", ""),
        failure_reason=stored.get("failure_reason", ""),
        evidence=stored.get("evidence", ""),
        usage=decode_usage(stored.get("usage", "")),
        wasted=decode_usage(stored.get("wasted", "")),
        needs_person=stored.get("needs_person") == "1",
    )


def decode_run(run: str, stored: Mapping[str, str]) -> RunRecord:
    """A run's record from its hash."""
    return RunRecord(
        run=run,
        state=RunState(stored["state"]),
        goal=stored["goal"],
        branch=stored["branch"],
        base=stored["base"],
        tip=stored["tip"],
        submitted_ms=int(stored["submitted_ms"]),
        ended_ms=int(stored["ended_ms"]),
        workers=int(stored["workers"]),
        counts={state: int(stored.get(state.value) or 0) for state in TaskState},
        conflicts=int(stored["conflicts"]),
        gate_failures=int(stored["gate_failures"]),
        interventions=int(stored["interventions"]),
        usage=decode_usage(stored["usage"]),
        wasted=decode_usage(stored["wasted"]),
    )


def decode_agent(worker_id: str, stored: Mapping[str, str], seen_ms: int) -> AgentRecord:
    """A worker's record from its hash."""
    return AgentRecord(
        worker_id=worker_id,
        kind=stored.get("kind", ""),
        types=tuple(filter(None, stored.get("types", "").split(","))),
        host=stored.get("host", ""),
        pid=int(stored.get("pid") or 0),
        state=stored.get("state", ""),
        task=stored.get("task", ""),
        seen_ms=seen_ms,
        done=int(stored.get("done") or 0),
        failed=int(stored.get("failed") or 0),
        executors=tuple(filter(None, stored.get("executors", "").split(","))),
    )


def decode_event(entry: Reply) -> Event:
    """One entry of the event stream."""
    assert isinstance(entry, list)  # noqa: S101  # XRANGE answers pairs
    fields = hash_of(entry[1])
    return Event(text_of(entry[0]), fields.pop("kind"), fields.pop("run"), fields.pop("task"), fields)
