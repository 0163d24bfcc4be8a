"""How much longer a run will take: a list schedule of what is left of it, by what is known of durations."""

from collections.abc import Mapping

from swarm.engine.estimates import believed_durations_s, rest_of
from swarm.engine.records import DurationRecord, ProgressRecord, TaskRecord
from swarm.engine.schedule import ALL, graph_of, list_schedule, upward_ranks_s
from swarm.engine.snapshot import MOST_FORECAST, Snapshot
from swarm.engine.spliced import joined
from swarm.plan.model import Plan
from swarm.states import TaskState


def remaining_s(snapshot: Snapshot, learnt: Mapping[str, DurationRecord]) -> float | None:
    """Seconds until the last task's attempt ends, with the workers that are alive.

    The limits in force count, and backoffs as time of a worker. Retries and merges are not foreseen. None
    when the run has ended or is paused, when it is too large, or when there is a task that nobody could take,
    or whose type is paused.
    """
    workers = sum(agent.kind == "worker" for agent in snapshot.alive)
    if snapshot.run.state.is_terminal or not workers or len(snapshot.tasks) > MOST_FORECAST:
        return None
    if snapshot.run.is_paused or not all(_is_served(task, snapshot) for task in snapshot.tasks):
        return None
    by_id = {task.spec.id: task for task in snapshot.tasks}
    joins = {task.spec.id: task.join for task in snapshot.tasks if task.join}
    plan = Plan(tuple(joined([task.spec for task in snapshot.tasks], joins)))
    tasks = [by_id[spec.id] for spec in plan.tasks]
    progress = [ProgressRecord(task.state, task.claimed_ms, task.busy_ms) for task in tasks]
    durations = [
        seconds + _backoff_s(task, snapshot.taken_ms)
        for task, seconds in zip(
            tasks, believed_durations_s(plan, progress, learnt, joins=joins), strict=True
        )
    ]
    graph = graph_of(plan, durations, limits=snapshot.controls.limits)
    rest, _ = rest_of(graph, progress, snapshot.taken_ms)
    return round(list_schedule(rest, workers, upward_ranks_s(rest)).makespan_s, 3)


def _backoff_s(task: TaskRecord, now_ms: int) -> float:
    return max(task.not_before_ms - now_ms, 0) / 1000 if task.state is TaskState.QUEUED else 0.0


def _is_served(task: TaskRecord, snapshot: Snapshot) -> bool:
    """It waits for nobody, or its type is given out and somebody alive could take it."""
    spec = task.spec
    if task.state not in {TaskState.PENDING, TaskState.QUEUED}:
        return True
    return not {ALL, spec.type} & set(snapshot.controls.paused) and any(
        agent.kind == "worker"
        and bool({"*", spec.type} & set(agent.types))
        and (not agent.executors or spec.executor_needed in agent.executors)
        and set(spec.needs) <= set(agent.tags)
        for agent in snapshot.alive
    )
