"""What only a person can decide, and the commands that say so: approvals, conflicts, the rest."""

from collections.abc import Sequence

from swarm.engine.records import TaskRecord
from swarm.observe.wording import first_few, is_of_the_merge, is_waiting, one_line
from swarm.states import FailureKind

_PUT_BACK = "; if it was moved back, put it back: `git "
"""In the reason of a task that could not land because its branch was moved back. An agent's words may have it
too, in the name of a file: no command is ever taken from there."""
LANDED_SINCE = "# What has landed there since"
"""The heading of a conflict's evidence under which its other side is named, a task a line."""


def words_for(run: str, task: str) -> tuple[str, str]:
    """The commands that let a waiting attempt land, or send it back."""
    return f"swarm approve {run} {task}", f"swarm reject {run} {task} --message WHY"


def looks_at(run: str, task: str, *, kind: str, reason: str, attempts: int) -> tuple[str, ...]:
    """The commands that show a person what a failed task is about, whatever is decided then."""
    if kind == FailureKind.APPROVAL:
        return (f"swarm diff {task} --run {run}",)
    if kind == FailureKind.CONFLICT:
        return (f"swarm diff {task} --sides --run {run}",)
    gate = " --gate" if is_of_the_merge(kind, reason) else ""
    # A task that failed where it waited was never begun, and has no log.
    return (f"swarm logs {task} --run {run}{gate}",) if attempts else ()


def may_be_frozen(record: TaskRecord) -> bool:
    """Whether a task seems to have failed because its branch was moved back; git knows whether it was."""
    return record.failure_kind == FailureKind.POLICY and _PUT_BACK in record.failure_reason


def decides_on(record: TaskRecord, *, anew: str = "", mends: Sequence[str] = ()) -> tuple[str, ...]:
    """The commands that go on with a failed task.

    `anew` begins its run anew, if Redis has forgotten it; `mends` let tasks land again on a branch that was
    moved back.
    """
    run, task = record.run, record.spec.id
    if anew:
        return (anew,)
    if mends:
        # Nothing lands on that branch before: to skip one task after another would end the run without it.
        return tuple(mends)
    if is_waiting(record.state, record.failure_kind):
        return words_for(run, task)
    return f"swarm retry {run} --task {task}", f"swarm skip {run} {task}"


def opposing(evidence: str) -> tuple[str, ...]:
    """What has landed on the other side of a conflict, from its evidence: `task: what it was to do`."""
    _, head, rest = evidence.partition(f"{LANDED_SINCE}\n\n")
    lines = rest.partition("\n\n")[0].splitlines() if head else []
    return tuple(one_line(line) for line in lines if not line.startswith("("))


def needed(records: Sequence[TaskRecord]) -> str:
    """What a person is asked for about these tasks, in few words with commands."""
    waiting = [one for one in records if is_waiting(one.state, one.failure_kind)]
    torn = [one for one in records if one.failure_kind == FailureKind.CONFLICT]
    frozen = [one for one in records if may_be_frozen(one)]
    rest = len(waiting) + len(frozen) < len(records)
    said = [f"`{words_for(one.run, one.spec.id)[0]}` or `swarm reject`" for one in waiting[:1]]
    said += [
        f"`{looks_at(one.run, one.spec.id, kind=one.failure_kind, reason='', attempts=1)[0]}`"
        for one in torn[:1]
    ]
    said += [f"`swarm why {one.spec.id}` says how its branch is put back" for one in frozen[:1]]
    return ", ".join([*said, *(["retry or skip"] if rest else [])])


def left_alone(run: str, waiting: Sequence[str]) -> str:
    """That a retry of the whole run leaves these as they are, and what moves them."""
    many = "waits" if len(waiting) == 1 else "wait"
    words = f"`{words_for(run, waiting[0])[0]}` or `swarm reject`"
    return f"{first_few(waiting)} {many} for approval, and nothing was done about that: {words}"
