"""What a plan would take with so many workers, beside what nobody can beat and what a plain queue takes."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from swarm.engine.bounds import lower_bound_s, tight_bound_s
from swarm.engine.connect import open_store
from swarm.engine.schedule import NO_LIMITS, TaskGraph, graph_of
from swarm.fleet.temporary_server import temporary_server
from swarm.plan.model import Plan, TaskSpec
from swarm.simulation.virtual_run import Estimates, Policy, VirtualRun, run_virtually, tell_nobody


@dataclass(frozen=True)
class Simulation:
    """One simulated run; field names are the keys of its JSON."""

    makespan_s: float
    lower_bound_s: (
        float  # the longest of critical path, work ÷ workers, and a limited type's work ÷ its limit
    )
    tight_bound_s: float  # the same from heads and tails
    ratio: float  # makespan to lower bound
    utilisation: float  # share of the workers' time in which they have a task
    fifo_makespan_s: float  # what submission order takes
    policy: str
    estimates: str  # what ranks knew; `unmeasured`: what tasks took was asked for, and is not known
    workers: int
    tasks: int
    limits: Mapping[str, int]  # type -> how many workers may hold at once
    late: list[str]  # tasks that end after their deadline or the run's: a real run would fail them there


def simulate(  # noqa: D417  # the rest is the command line's
    plan: Plan,
    *,
    workers: int,
    policy: Policy = Policy.LOCK_AWARE,
    estimates: Estimates = Estimates.PLAN,
    durations_s: Mapping[str, float] | None = None,
    limits: Mapping[str, int] = NO_LIMITS,
    deadline_s: float | None = None,
    at: Callable[[str], None] = tell_nobody,
) -> Simulation:
    """Run a plan in virtual time by the scheduler's own scripts, on a server of its own.

    Args:
        durations_s: what tasks take, by id; one that it does not name takes its estimate.
        limits: how many tasks of a type workers may hold at once; of `*`, of all types.
        deadline_s: of the run; what ends later is late, whatever its own deadline.
        at: hears how far it is, often.

    Raises:
        StoreUnreachableError: no server could be started.
    """
    known = durations_s or {}
    durations_ms = {task.id: round(known.get(task.id, task.expected_s) * 1000) for task in plan.tasks}
    with temporary_server() as url, closing(open_store(url, timeout_s=60.0)) as store:
        run = partial(run_virtually, store, plan, durations_ms, workers=workers, limits=limits, at=at)
        ran = run(policy=policy, estimates=estimates)
        fifo = ran if policy is Policy.FIFO else run(policy=Policy.FIFO)
    at("computing bounds")
    seconds = [durations_ms[task.id] / 1000 for task in plan.tasks]
    graph = graph_of(plan, seconds, limits=limits, with_locks=False)  # no bound looks at them
    plan = _due_by(plan, deadline_s)
    told = "unmeasured" if estimates is Estimates.MEASURED and not known else estimates.value
    return _beside_bounds(plan, graph, ran, fifo, workers=workers, policy=policy, estimates=told)


def _due_by(plan: Plan, deadline_s: float | None) -> Plan:
    """The plan with the run's deadline for each task that has none, or a later one."""
    if deadline_s is None:
        return plan
    soonest = [
        deadline_s if one.deadline_s is None else min(one.deadline_s, deadline_s) for one in plan.tasks
    ]
    tasks = (replace(one, deadline_s=due_s) for one, due_s in zip(plan.tasks, soonest, strict=True))
    return replace(plan, tasks=tuple(tasks))


def _beside_bounds(
    plan: Plan,
    graph: TaskGraph,
    ran: VirtualRun,
    fifo: VirtualRun,
    *,
    workers: int,
    policy: Policy,
    estimates: str,
) -> Simulation:
    """What a virtual run took, beside what nobody can beat and what submission order took."""
    bound_s, work_s = lower_bound_s(graph, workers), sum(graph.durations_s)
    return Simulation(
        makespan_s=ran.makespan_s,
        lower_bound_s=round(bound_s, 3),
        tight_bound_s=round(tight_bound_s(graph, workers), 3),
        ratio=round(ran.makespan_s / bound_s, 4) if bound_s else 1.0,
        utilisation=round(work_s / (workers * ran.makespan_s), 4) if ran.makespan_s else 0.0,
        fifo_makespan_s=fifo.makespan_s,
        policy=policy.value,
        estimates=estimates,
        workers=workers,
        tasks=len(plan.tasks),
        limits=dict(graph.limits),
        late=[task.id for task in plan.tasks if _is_late(task, ran)],
    )


def _is_late(task: TaskSpec, ran: VirtualRun) -> bool:
    return task.deadline_s is not None and ran.ends_ms[task.id] > task.deadline_s * 1000
