"""What a person could type next about a task."""

from collections.abc import Sequence

from swarm.engine.records import TaskRecord
from swarm.engine.views import Surroundings
from swarm.observe.orders import SUBMIT, pauses, start_for
from swarm.observe.person import decides_on, looks_at, words_for
from swarm.observe.takers import starts_taker
from swarm.observe.why import Link
from swarm.observe.wording import is_waiting, one_line
from swarm.plan.model import queue_of
from swarm.states import RunState, TaskState


def next_steps(
    around: Surroundings,
    record: TaskRecord,
    chain: Sequence[Link],
    *,
    anew: str = "",
    mends: Sequence[str] = (),
    roots: Sequence[TaskRecord] = (),
) -> tuple[str, ...]:
    """What a person could type next about this task, whose chain of causes is `chain`.

    `anew` is the command that begins its run anew, of a run that Redis has forgotten: nothing else moves it.
    `mends` are those that let tasks land again on its branch, which was moved back.
    `roots` are the failed tasks that the chain names.
    """
    run, task = record.run, record.spec.id
    if record.state is TaskState.FAILED:
        kind, reason = record.failure_kind, record.failure_reason
        look = looks_at(run, task, kind=kind, reason=reason, attempts=record.attempt)
        return (*look, *decides_on(record, anew=anew, mends=mends))
    if record.state in {TaskState.UPSTREAM_FAILED, TaskState.CANCELLED}:
        if anew:
            return (anew,)
        waiting = [one for one in roots if is_waiting(one.state, one.failure_kind)]
        words = (word for one in waiting for word in words_for(run, one.spec.id))
        has_failed = len(waiting) < len(roots) or not roots
        return (*words, *((f"swarm retry {run}",) if has_failed else ()))
    if record.state is TaskState.DONE:
        return (f"swarm diff {task} --run {run}",) if record.merged_commit else ()
    said = {link.text for link in chain}
    # While a pause holds what it waits for, no other step helps.
    resumes = [one.undo for one in pauses(around.run, around.controls.paused) if one_line(one.said) in said]
    return (*resumes, *_steps_on(around, record))


def _steps_on(around: Surroundings, record: TaskRecord) -> tuple[str, ...]:
    """The same about a task that has not ended."""
    run, task = record.run, record.spec.id
    if around.run.state is RunState.LOADING:
        return (SUBMIT,)
    if not around.run.state.is_terminal and not any(agent.kind == "worker" for agent in around.alive):
        # The workers of a run have no tags but those of the settings.
        needed = (start_for(queue_of(record.spec)),) if record.spec.needs else ()
        return (*needed, f"swarm run --resume {run}")
    if record.state is TaskState.QUEUED:
        return tuple(filter(None, [starts_taker(record, around.alive)]))
    return (f"swarm logs {task} --run {run} -f",) if record.state is TaskState.RUNNING else ()
