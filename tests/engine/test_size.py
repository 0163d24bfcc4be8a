"""A run of 20,000 tasks costs no more a task than a small one: counted in commands, on any machine."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count

import pytest

from swarm.bench.graphs import layered
from swarm.engine.claims import Failure, Finish, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.ranks import urgency
from swarm.engine.store import Reply, Store
from swarm.engine.words import text_of
from swarm.plan.model import Plan, TaskSpec
from swarm.states import FailureKind, TaskState
from swarm.testing.plans import BASE

TASKS, FEW = 20_000, 1_000
WIDE, LAYER = 1_000, 100
MOST_A_SCRIPT = 3_000
"""Commands in one script: at 2 to 5 µs each, far below 50 ms."""
WORKER = WorkerProfile("worker-a", executors=("command",))
NUMBERS = count()
NO = Failure(FailureKind.TASK_ERROR, "no", retryable=False)


class CountingStore:
    """A connection that notes how many commands the server did in the longest call."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.most = self.calls = 0

    def done(self) -> int:
        """Commands that the server has done, those inside scripts too."""
        lines = text_of(self._inner.call("INFO", "stats")).splitlines()
        return int(next(line for line in lines if line.startswith("total_commands_processed")).split(":")[1])

    def call(self, *command: str | bytes | int, timeout_s: float | None = None) -> Reply:
        """Send one command, and count what it came to."""
        before = self.done()
        reply = self._inner.call(*command, timeout_s=timeout_s)
        self.most, self.calls = max(self.most, self.done() - before - 1), self.calls + 1
        return reply

    def pipeline(self, commands: Iterable[Sequence[str | bytes | int]]) -> list[Reply]:
        """One after the other."""
        return [self.call(*command) for command in commands]

    def clone(self) -> "CountingStore":
        """The same server on a connection of its own."""
        return CountingStore(self._inner.clone())

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()


@pytest.fixture
def counting(store: Store) -> Iterator[CountingStore]:
    """A counting connection to the empty server."""
    made = CountingStore(store.clone())
    yield made
    made.close()


def plan_of(tasks: int) -> Plan:
    """A layered plan, as the benchmarks have it."""
    return Plan(
        tuple(
            TaskSpec(name, "no-op", dependencies=tuple(needs), executor="command", command=("true",))
            for name, needs in layered(tasks)
        )
    )


def work_off(queue: Engine, tasks: int) -> None:
    """Do so many tasks, one round trip each."""
    claim = queue.claim(WORKER, f"claim-{next(NUMBERS)}")
    for _ in range(1, tasks):
        assert claim is not None
        claim = queue.end_and_claim(claim, Finish(), WORKER, f"claim-{next(NUMBERS)}")
    assert claim is not None
    queue.finish(claim)


def test_a_task_among_many_costs_the_commands_of_one_among_few(store: Store, counting: CountingStore) -> None:
    """Submitting and doing a task are as cheap in a run of 20,000 as in one of 1,000."""
    costs = {}
    for tasks in (FEW, TASKS):
        store.call("FLUSHALL")
        queue = Engine(store, "size")
        queue.submit(plan_of(10), base=BASE)
        before = counting.done()
        queue.submit(plan_of(tasks), base=BASE)
        stored = counting.done()
        work_off(queue, FEW // 2)
        costs[tasks] = ((stored - before) / tasks, (counting.done() - stored) / (FEW // 2))

    assert costs[TASKS][0] <= costs[FEW][0] * 1.3
    assert costs[TASKS][0] < 5
    assert costs[TASKS][1] <= costs[FEW][1] + 3  # in a wide layer nothing is queued yet
    assert costs[TASKS][1] < 26


def test_no_script_does_more_than_its_budget_in_a_large_run(counting: CountingStore) -> None:
    """Loading, reaping, ranking, failing, reviving, skipping, cancelling, removing: never all at once."""
    queue, plan = Engine(counting, "size"), plan_of(TASKS)
    run = queue.submit(plan, base=BASE)
    work_off(queue, 20)
    assert queue.rerank(run, {task.id: urgency(7.0, 0) for task in plan.tasks}) > TASKS - 100
    claim = queue.claim(WORKER, f"claim-{next(NUMBERS)}")
    assert claim is not None
    queue.fail(claim, NO)
    doomed = queue.run(run).counts[TaskState.UPSTREAM_FAILED]
    assert doomed > TASKS / 10
    assert queue.retry_failed(run) > doomed
    assert queue.skip(run, plan.tasks[100].id)
    assert queue.cancel(run) > TASKS - 100
    assert queue.retry(run) > TASKS - 100
    queue.reclaim_expired()
    queue.cancel(run)
    assert queue.forget(run)

    assert counting.calls > TASKS / 150
    assert counting.most < MOST_A_SCRIPT


def test_a_claim_beside_thousands_that_are_parked_costs_no_more_commands(
    store: Store, counting: CountingStore
) -> None:
    """5,000 tasks wait for one file: whoever wants another does not see them."""
    costs = {}
    for parked in (0, 5_000):
        store.call("FLUSHALL")
        queue = Engine(store, "size")
        held = [
            TaskSpec(f"held{n}", "d", files=("a.py",), executor="command", command=("true",), priority=9)
            for n in range(parked + 1)
        ]
        free = [
            TaskSpec(f"free{n}", "d", files=(f"{n}.py",), executor="command", command=("true",))
            for n in range(200)
        ]
        queue.submit(Plan((*held, *free)), base=BASE)
        holder = queue.claim(WORKER, "holder")
        assert holder is not None
        work_off(queue, 20)
        assert queue.queues()[0].parked == parked
        before = counting.done()
        work_off(Engine(store, "size"), 100)
        costs[parked] = (counting.done() - before) / 100
        assert holder.task.id.startswith("held")

    assert costs[5_000] < costs[0] * 1.5


def deep(sources: int, layer: int) -> Plan:
    """A layer of tasks, each of which depends on all of the sources."""
    first = [TaskSpec(f"s{n}", "d", executor="command", command=("true",)) for n in range(sources)]
    after = tuple(task.id for task in first)
    second = [replace(first[0], id=f"k{n}", dependencies=after) for n in range(layer)]
    return Plan((*first, *second))


@pytest.mark.parametrize("how", ["the task", "all that failed"])
def test_bringing_back_a_layer_that_depends_on_a_thousand_tasks(
    store: Store, counting: CountingStore, how: str
) -> None:
    """Its dependencies are looked at within the budget of a script; none costs a round trip of its own."""
    queue = Engine(counting, "size")
    run = queue.submit(deep(WIDE, LAYER), base=BASE)
    claim = Engine(store, "size").claim(WORKER, "claim")
    assert claim is not None
    queue.fail(claim, NO)
    assert queue.run(run).counts[TaskState.UPSTREAM_FAILED] == LAYER
    counting.most = counting.calls = 0

    moved = queue.retry(run, claim.task.id) if how == "the task" else queue.retry_failed(run)

    assert moved == LAYER + 1
    assert queue.run(run).counts[TaskState.PENDING] == LAYER
    assert counting.most < 2 * WIDE
    assert counting.calls < WIDE * LAYER / 100


def test_bringing_back_a_task_with_all_that_it_depends_on(counting: CountingStore) -> None:
    """Every source comes back once, and with it what else depends on them: a few round trips a task."""
    queue = Engine(counting, "size")
    run = queue.submit(deep(WIDE // 2, LAYER), base=BASE)
    assert queue.cancel(run) == WIDE // 2 + LAYER
    counting.most = counting.calls = 0

    assert queue.retry(run, "k0") == WIDE // 2 + LAYER

    counts = queue.run(run).counts
    assert (counts[TaskState.QUEUED], counts[TaskState.PENDING]) == (WIDE // 2, LAYER)
    assert counting.most < MOST_A_SCRIPT
    assert counting.calls < 4 * (WIDE // 2 + LAYER)


def test_what_fails_with_a_task_is_told_a_budget_at_a_time(counting: CountingStore) -> None:
    """Those that depend on one another too: each is come to once, and costs no call of its own."""
    queue = Engine(counting, "size")
    first = TaskSpec("bad", "d", executor="command", command=("true",))
    knot = [
        replace(first, id=f"k{n}", dependencies=("bad", *(f"k{m}" for m in range(max(0, n - 6), n))))
        for n in range(WIDE)
    ]
    run = queue.submit(Plan((first, *knot)), base=BASE)
    claim = queue.claim(WORKER, "claim")
    assert claim is not None
    counting.most = counting.calls = 0

    queue.fail(claim, NO)

    assert queue.run(run).counts[TaskState.UPSTREAM_FAILED] == WIDE
    assert counting.calls < WIDE / 10
    assert counting.most < MOST_A_SCRIPT
