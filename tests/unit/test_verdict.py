"""How a run that has ended is told to a shell."""

import pytest

from swarm.engine.records import RunRecord, TaskRecord
from swarm.plan.model import TaskSpec
from swarm.states import FailureKind, RunState, TaskState
from swarm.verdict import verdict_on


def run(state: RunState) -> RunRecord:
    """A run that ended so."""
    return RunRecord("r1", state, "", "swarm/r1", "b", "b", 1, 2, 1)


def failed(*kinds: FailureKind) -> list[TaskRecord]:
    """A task that failed for each of these, and one that did not."""
    ends = [
        TaskRecord("r1", TaskSpec(f"t{n}", ""), TaskState.FAILED, failure_kind=kind, failure_reason="why")
        for n, kind in enumerate(kinds)
    ]
    return [*ends, TaskRecord("r1", TaskSpec("fine", ""), TaskState.DONE)]


@pytest.mark.parametrize(
    ("state", "kinds", "unpublished", "exit_code"),
    [
        (RunState.DONE, (), "", 0),
        (RunState.DONE, (), "the branch is elsewhere", 9),
        (RunState.FAILED, (FailureKind.GATE_FAILED,), "", 1),
        (RunState.FAILED, (FailureKind.GATE_FAILED,), "the branch is elsewhere", 1),
        (RunState.FAILED, (FailureKind.LIMIT, FailureKind.LIMIT), "the branch is elsewhere", 7),
        (RunState.FAILED, (FailureKind.LIMIT, FailureKind.TASK_ERROR), "", 1),
        (RunState.FAILED, (FailureKind.POLICY,), "", 9),
        (RunState.FAILED, (FailureKind.POLICY, FailureKind.TASK_ERROR), "", 1),
        (RunState.FAILED, (FailureKind.CRASH,), "", 1),
        (RunState.FAILED, (FailureKind.POLICY, FailureKind.CRASH), "", 1),
        (RunState.FAILED, (FailureKind.INFRASTRUCTURE,), "the branch is elsewhere", 1),
        (RunState.FAILED, (FailureKind.INFRASTRUCTURE, FailureKind.APPROVAL), "", 1),
        (RunState.FAILED, (FailureKind.POLICY, FailureKind.INFRASTRUCTURE), "the branch is elsewhere", 1),
        (RunState.FAILED, (FailureKind.INFRASTRUCTURE, FailureKind.LIMIT), "", 1),
        (RunState.FAILED, (FailureKind.POLICY, FailureKind.LIMIT), "", 9),
        (RunState.CANCELLED, (), "the branch is elsewhere", 1),
        (RunState.CANCELLED, (FailureKind.POLICY,), "", 1),
        (RunState.CANCELLED, (FailureKind.LIMIT,), "", 1),
    ],
)
def test_a_run_that_failed_says_so_before_that_its_branch_was_not_published(
    state: RunState, kinds: tuple[FailureKind, ...], unpublished: str, exit_code: int
) -> None:
    """A script must not take a failed run for one that only waits to be published."""
    verdict = verdict_on(run(state), failed(*kinds), unpublished=unpublished)

    assert verdict.exit_code == exit_code


def test_why_the_branch_was_not_published_is_said_with_the_next_step() -> None:
    """The code alone says neither."""
    verdict = verdict_on(run(RunState.DONE), failed(), unpublished="HEAD is on swarm/r1")

    assert verdict.remark == "not published: HEAD is on swarm/r1; then `swarm run --resume r1`"


def test_a_run_that_waits_for_a_person_also_says_that_its_branch_was_not_published() -> None:
    """Both are left to the same person."""
    verdict = verdict_on(run(RunState.FAILED), failed(FailureKind.POLICY), unpublished="HEAD is on swarm/r1")

    assert verdict.remark.startswith("waits for you: t0: why; ")
    assert verdict.remark.endswith("\nnot published: HEAD is on swarm/r1; then `swarm run --resume r1`")


def test_what_goes_on_names_the_run_and_the_task_that_were_refused() -> None:
    """There may be a newer run when it is typed."""
    verdict = verdict_on(run(RunState.FAILED), failed(FailureKind.POLICY))

    assert verdict.remark == "waits for you: t0: why; `swarm retry r1` or `swarm skip r1 t0` goes on"


def test_what_redis_has_forgotten_is_begun_anew() -> None:
    """A retry, a skip or `--resume` would be refused; a wait publishes too."""
    archived = run(RunState.FAILED)._replace(is_archived=True)

    verdict = verdict_on(archived, failed(FailureKind.POLICY), unpublished="HEAD is on swarm/r1")

    assert verdict.remark.splitlines() == [
        "waits for you: t0: why; the run is archived, `swarm run PLAN` begins it anew",
        "not published: HEAD is on swarm/r1; then `swarm wait r1`",
    ]
