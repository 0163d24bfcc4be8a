"""List scheduling in memory, ranks found by it, and the bounds that nothing beats."""

from dataclasses import replace
from itertools import product
from random import Random

import pytest
from counted_calls import calls_of

from swarm.engine.bounds import lower_bound_s, tight_bound_s
from swarm.engine.justify import justified_ranks_s, lock_ranks_s
from swarm.engine.schedule import TaskGraph, graph_of, list_schedule, upward_ranks_s
from swarm.plan.model import Plan, TaskSpec
from swarm.testing.plans import make_plan, make_task


def random_plan(seed: int, *, tasks: int, files: int = 0) -> Plan:
    """A seeded plan; with `files`, half of its tasks write one of so many."""
    random = Random(seed)
    made: list[TaskSpec] = []
    for number in range(tasks):
        after = random.sample([task.id for task in made], min(len(made), random.choice((0, 1, 1, 2))))
        scope = [f"f{random.randrange(files)}.py"] if files and random.random() < 0.5 else []
        seconds = round(random.lognormvariate(1, 1), 1) + 0.1
        made.append(make_task(f"t{number}", after=after, files=scope, estimate_s=seconds))
    return make_plan(*made)


def shortest_s(graph: TaskGraph, workers: int) -> float:
    """The shortest of all list schedules: tries every order of a few tasks."""
    count = len(graph.durations_s)
    return min(
        list_schedule(graph, workers, [float(one) for one in order]).makespan_s
        for order in product(range(1, count + 1), repeat=count)
        if len(set(order)) == count
    )


def test_a_schedule_keeps_dependencies_workers_and_locks() -> None:
    """Never more at once than workers, none before its dependencies, no two writers of one file."""
    plan = random_plan(3, tasks=60, files=3)
    graph = graph_of(plan)

    found = list_schedule(graph, 4, upward_ranks_s(graph))

    spans = list(zip(found.starts_s, found.ends_s, strict=True))
    for place, task in enumerate(plan.tasks):
        start, end = spans[place]
        assert end == pytest.approx(start + task.estimate_s)
        assert all(spans[d][1] <= start for d in graph.before[place])
        at_once = [other for other, (begins, ends) in enumerate(spans) if begins <= start < ends]
        assert len(at_once) <= 4
        assert [plan.tasks[o].id for o in at_once if set(plan.tasks[o].files) & set(task.files)] in (
            [],
            [task.id],
        )


def test_bounds_need_no_locks() -> None:
    """A graph without them, which takes half of the calls to make, is bounded as the one with them."""
    plan = random_plan(5, tasks=60, files=3)

    without, with_locks = graph_of(plan, with_locks=False), graph_of(plan)

    assert tight_bound_s(without, 4) == tight_bound_s(with_locks, 4)
    assert calls_of(lambda: graph_of(plan, with_locks=False)) * 2 < calls_of(lambda: graph_of(plan))


def test_a_limited_type_takes_no_more_workers_than_it_may_and_others_go_on() -> None:
    """Who is more urgent but of a full type waits; work of the type by its limit is a bound, too."""
    docs = [make_task(f"d{n}", type="docs", estimate_s=10) for n in range(4)]
    plan = make_plan(*docs, make_task("api", estimate_s=3), make_task("late", after=["d0"], estimate_s=1))
    limited = graph_of(plan, limits={"docs": 1})

    found = list_schedule(limited, 4, upward_ranks_s(limited))

    assert list(found.starts_s) == [0, 10, 20, 30, 0, 10]
    assert (lower_bound_s(graph_of(plan), 4), lower_bound_s(limited, 4)) == (11, 40)
    assert tight_bound_s(limited, 4) == 40
    assert list_schedule(limited.reversed, 4, found.ends_s).makespan_s >= 40


def test_a_limit_of_all_types_is_as_few_workers() -> None:
    """Type `*` is the whole project."""
    plan = make_plan(*(make_task(f"t{n}", estimate_s=10) for n in range(4)))
    limited = graph_of(plan, limits={"*": 2})

    assert list_schedule(limited, 8, upward_ranks_s(limited)).makespan_s == 20
    assert (lower_bound_s(limited, 8), tight_bound_s(limited, 8)) == (20, 20)


def test_those_that_hold_more_than_a_limit_allows_go_on() -> None:
    """A limit is about who begins: three that are held already end at once, the fourth comes after."""
    graph = graph_of(
        make_plan(*(make_task(f"d{n}", type="docs", estimate_s=10) for n in range(4))), limits={"docs": 1}
    )

    found = list_schedule(replace(graph, held=frozenset({0, 1, 2})), 4, [10.0] * 4)

    assert list(found.starts_s) == [0, 0, 0, 10]


@pytest.mark.parametrize("seed", range(6))
def test_no_schedule_beats_the_bounds(seed: int) -> None:
    """Against all orders of a small plan; the tighter bound is never the looser one."""
    plan = random_plan(seed, tasks=6)
    mixed = tuple(replace(task, type="docs") if n % 2 else task for n, task in enumerate(plan.tasks))
    graph = graph_of(Plan(mixed), limits={"docs": 1} if seed % 2 else {})
    for workers in (1, 2, 3):
        simple, tight = lower_bound_s(graph, workers), tight_bound_s(graph, workers)

        assert simple <= tight <= shortest_s(graph, workers) * (1 + 1e-9)


def test_the_tighter_bound_sees_what_waits_for_a_head() -> None:
    """Four tasks that all wait 10 s and are waited for 10 s, on two workers: 10 + 20 + 10, not 30."""
    middle = [make_task(f"m{n}", after=["first"], estimate_s=10) for n in range(4)]
    ends = make_task("last", after=[task.id for task in middle], estimate_s=10)
    graph = graph_of(make_plan(make_task("first", estimate_s=10), *middle, ends))

    assert lower_bound_s(graph, 2) == 30
    assert tight_bound_s(graph, 2) == 40


@pytest.mark.parametrize("files", [0, 3])
def test_found_ranks_are_never_worse_than_the_paths_or_submission_order(files: int) -> None:
    """Whatever the plan; and over many plans they are better."""
    saved = 0.0
    for seed in range(12):
        graph = graph_of(random_plan(seed, tasks=40, files=files))
        paths_s = list_schedule(graph, 4, upward_ranks_s(graph)).makespan_s
        plain_s = list_schedule(graph, 4, [0.0] * 40).makespan_s

        found_s = list_schedule(graph, 4, justified_ranks_s(graph, 4)).makespan_s

        assert found_s <= min(paths_s, plain_s) * 1.0001
        saved += paths_s - found_s
    assert saved > 0


def test_the_head_of_a_line_for_a_lock_is_as_urgent_as_the_line() -> None:
    """Four short tasks on one file take longer than a long one beside them: the first of them goes first."""
    line = [make_task(f"line{n}", files=["a.py"], estimate_s=3) for n in range(4)]
    graph = graph_of(make_plan(make_task("long", estimate_s=10), *line))

    assert lock_ranks_s(graph) == [10, 12, 9, 6, 3]
    assert list_schedule(graph, 1, upward_ranks_s(graph)).starts_s[0] == 0
    assert list_schedule(graph, 1, lock_ranks_s(graph)).starts_s[1] == 0


def test_a_plan_too_large_to_search_keeps_its_paths() -> None:
    """More than one round must be affordable, or the present order would be tried and no other."""
    count = 10_001
    graph = TaskGraph([1.0 + place % 7 for place in range(count)], [[] for _ in range(count)])

    assert justified_ranks_s(graph, 4, [1.0] * count) == upward_ranks_s(graph)
