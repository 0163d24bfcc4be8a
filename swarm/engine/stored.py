"""Decodes what the hashes and the stream hold into records."""

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from swarm.engine.records import AgentRecord, Controls, Event, FailedAttempt, RunRecord, TaskRecord
from swarm.engine.specs import decode_spec
from swarm.engine.store import Reply
from swarm.engine.words import hash_of, text_of, words_of
from swarm.keys import split_member
from swarm.models.usage import Usage
from swarm.states import RunState, TaskState

_CLAIM = ("token", "attempt", "claimed_ms", "base", "worker")
_UNCLAIMED = "0 0 0  "
_TOOK = ("busy_ms", "ended_ms")
_NOTHING_TOOK = "0 0"
_LIMIT = re.compile(r"limit (.*) ([0-9]+)", re.DOTALL)

PAUSED = "1"
"""What `paused` of a run says while nothing of it is given out."""


def decode_usage(text: str) -> Usage:
    """Usage from its stored form; nothing stored is nothing spent."""
    return Usage(*map(int, text.split())) if text else Usage()


def claim_fields(text: str) -> dict[str, str]:
    """What the last claim of a task wrote, by name; zeros and nothing of one that was never claimed."""
    return dict(zip(_CLAIM, (text or _UNCLAIMED).split(" ", len(_CLAIM) - 1), strict=True))


def took_fields(text: str) -> dict[str, str]:
    """For how long workers held a task, and when it ended, by name; zeros for not yet."""
    return dict(zip(_TOOK, (text or _NOTHING_TOOK).split(" "), strict=True))


def task_fields(reply: Reply) -> dict[str, str]:
    """A task's hash, in which what one field says of several things stands by name."""
    stored = hash_of(reply)
    claim, took = stored.pop("claim", ""), stored.pop("took", "")
    return stored | claim_fields(claim) | took_fields(took)


def decode_task(member: str, stored: Mapping[str, str], lease_ends: Reply) -> TaskRecord:
    """A task's record from its fields and its lease; what it waits for is not among them."""

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
        parked_ms=number("parked_ms"),
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
        deadline_ms=number("deadline_ms"),
        history=decode_history(stored.get("history", "")),
        tried_by=tuple(dict.fromkeys(stored.get("tried_by", "").split("\n")))
        if stored.get("tried_by")
        else (),
        parts=tuple(stored.get("parts", "").split()),
        join=tuple(stored.get("join", "").split()),
        part_of=stored.get("part_of", ""),
        widened=tuple(stored.get("widened", "").splitlines()),
        review=tuple(stored.get("review", "").split("\n"))
        if stored.get("review") and number("handed_in_ms")
        else (),
    )


def decode_history(text: str) -> tuple[FailedAttempt, ...]:
    """What was tried and did not land, one JSON object a line."""
    return tuple(FailedAttempt(**json.loads(line)) for line in text.split("\n") if line)


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
        is_paused=stored.get("paused") == PAUSED,
        deadline_ms=int(stored.get("deadline_ms") or 0),
        is_fail_fast=stored.get("fail_fast") == "1",
        hub_id=stored.get("hub_id", ""),
        hub=stored.get("hub", ""),
    )


def decode_controls(text: str) -> Controls:
    """The orders in force, from the lines that hold them; a line that is none is passed over.

    Older versions let types with spaces pass, which no task has.
    """
    lines = text.split("\n")
    paused = sorted(line.removeprefix("pause ") for line in lines if line.startswith("pause "))
    limits = sorted(found.groups() for line in lines if (found := _LIMIT.fullmatch(line)))
    return Controls(paused=tuple(paused), limits={kind: int(most) for kind, most in limits})


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
        tags=tuple(filter(None, stored.get("tags", "").split(","))),
        hub_trouble=stored.get("hub_trouble", ""),
        hub_trouble_ms=int(stored.get("hub_trouble_ms") or 0),
    )


def decode_entry(entry: Reply) -> Iterator[Event]:
    """The events of one entry of the stream: of each its kind, and `name=value` parted by spaces.

    The id of the first is the entry's; those of the others count on from it: `5-0`, `5-0.1`.
    """
    assert isinstance(entry, list)  # noqa: S101  # XRANGE answers pairs
    entry_id, words = text_of(entry[0]), words_of(entry[1])
    for place, (kind, line) in enumerate(zip(words[::2], words[1::2], strict=True)):
        told = (word.partition("=") for word in line.split(" "))
        fields = {name: unquote(value, errors="surrogateescape") for name, _, value in told}
        event_id = f"{entry_id}.{place}" if place else entry_id
        yield Event(event_id, kind, fields.pop("run", ""), fields.pop("task", ""), fields)


def entry_of(event_id: str) -> str:
    """The id of the stream's entry that an event stands in."""
    return event_id.partition(".")[0]


def id_parts(event_id: str) -> tuple[int, int, int]:
    """An event's id as numbers that compare as events were told."""
    ms, _, rest = event_id.partition("-")
    number, _, place = rest.partition(".")
    return int(ms), int(number or 0), int(place or 0)
