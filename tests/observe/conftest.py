"""A run as it might stand, made of records: no server is needed to word, draw or measure it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from swarm.engine.records import AgentRecord, QueueRecord, RunRecord, TaskRecord
from swarm.engine.snapshot import Snapshot
from swarm.models.usage import Usage
from swarm.plan.model import TaskSpec
from swarm.states import RunState, TaskState

RUN = "r1"
START_MS = 1_800_000_000_000
NOW_MS = START_MS + 100_000

MakeTask = Callable[..., TaskRecord]
MakeSnapshot = Callable[..., Snapshot]


@pytest.fixture
def now_ms() -> int:
    """When the snapshot was taken: 100 s after the run was submitted."""
    return NOW_MS


@pytest.fixture
def make_task() -> MakeTask:
    """A task record: its id and state, then whatever differs from the defaults."""

    def make(
        task_id: str, state: str, *after: str, spec: dict[str, object] | None = None, **stored: object
    ) -> TaskRecord:
        own = TaskSpec(id=task_id, description=f"Do {task_id}", dependencies=after, files=(f"{task_id}.py",))
        record = TaskRecord(run=RUN, spec=replace(own, **(spec or {})), state=TaskState(state))  # type: ignore[arg-type]  # a builder's keywords are the record's
        return record._replace(**stored)  # type: ignore[arg-type]  # the same

    return make


@pytest.fixture
def make_snapshot() -> MakeSnapshot:
    """A snapshot of these tasks; keywords replace fields of the run."""

    def make(*tasks: TaskRecord, agents: tuple[AgentRecord, ...] = (), **run: object) -> Snapshot:
        record = RunRecord(
            run=RUN,
            state=RunState.ACTIVE,
            goal="Move to hooks",
            branch="swarm/r1",
            base="b" * 40,
            tip="d" * 40,
            submitted_ms=START_MS,
            ended_ms=0,
            workers=2,
        )
        return Snapshot(
            run=record._replace(**run),  # type: ignore[arg-type]  # a builder's keywords are the record's
            tasks=tasks,
            agents=agents,
            queues=(QueueRecord("general", 1, 1),),
            events=(),
            taken_ms=NOW_MS,
        )

    return make


@pytest.fixture
def landed(make_task: MakeTask) -> MakeTask:
    """A task that landed: seconds from the run's start to claim, hand-in, merge and landing."""

    def make(task_id: str, *after: str, at: tuple[int, int, int, int], **stored: object) -> TaskRecord:
        claimed, handed_in, merge_begun, ended = (START_MS + second * 1000 for second in at)
        return make_task(
            task_id,
            "done",
            *after,
            **{
                "attempt": 1,
                "worker_id": "w-1",
                "claimed_ms": claimed,
                "started_ms": claimed,
                "handed_in_ms": handed_in,
                "busy_ms": handed_in - claimed,
                "merge_begun_ms": merge_begun,
                "ended_ms": ended,
                "merged_commit": "c" * 40,
                **stored,
            },
        )

    return make


@pytest.fixture
def make_agent() -> Callable[..., AgentRecord]:
    """A worker that was seen a second ago."""

    def make(
        worker_id: str, *, types: tuple[str, ...] = ("*",), task: str = "", kind: str = "worker"
    ) -> AgentRecord:
        return AgentRecord(worker_id, kind, types, "box", 1, "busy" if task else "idle", task, NOW_MS - 1000)

    return make


@pytest.fixture
def usage() -> Usage:
    """What an attempt spent: 1000 tokens in, 200 out, 50 cached, a cent."""
    return Usage(1000, 200, 50, 10_000)
