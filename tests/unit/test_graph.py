"""What the graph says: order, waves, cycles, critical path, bounds; against networkx and by hand."""

import itertools
from dataclasses import replace

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from swarm.plan.graph import (
    critical_path,
    dependents_of,
    find_cycles,
    topological_order,
    walk_up,
    waves,
)
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.ordering import unordered

Edges = dict[str, list[str]]
GRAPHS = st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=10).map(
    lambda rows: {f"t{i}": [f"t{d}" for d in row if d < len(rows)] for i, row in enumerate(rows)}
)
DAGS = st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=10).map(
    lambda rows: {f"t{i}": [f"t{d}" for d in dict.fromkeys(row) if d < i] for i, row in enumerate(rows)}
)


def plan_of(edges: Edges, seconds: dict[str, float] | None = None) -> Plan:
    """A plan with these dependencies and estimates."""
    return Plan(
        tuple(
            TaskSpec(task, "x", dependencies=tuple(before), estimate_s=(seconds or {}).get(task, 1.0))
            for task, before in edges.items()
        )
    )


DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
DIAMOND_S = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 3.0}


def upward_ranks(plan: Plan) -> dict[str, float]:
    """Task id -> its upward rank, in seconds."""
    return {task.id: rank_s for task, rank_s, _ in walk_up(plan)}


def test_waves_put_a_task_behind_its_last_dependency() -> None:
    """The classic diamond has three waves."""
    assert waves(plan_of(DIAMOND)) == [["a"], ["b", "c"], ["d"]]


def test_the_critical_path_is_the_longest_way_through() -> None:
    """Path and length follow the durations, and durations beat estimates."""
    plan = plan_of(DIAMOND, DIAMOND_S)

    assert critical_path(plan) == (("a", "b", "d"), 9.0)
    assert critical_path(plan, {"c": 50.0}) == (("a", "c", "d"), 54.0)


def test_ranks_count_from_the_start_of_a_task_to_the_end_of_the_plan() -> None:
    """What is claimed first is what most waits for."""
    assert upward_ranks(plan_of(DIAMOND, DIAMOND_S)) == {"a": 9.0, "b": 8.0, "c": 5.0, "d": 3.0}


@given(edges=DAGS)
def test_a_walk_up_meets_each_task_after_all_that_wait_for_it(edges: Edges) -> None:
    """The plan backwards; with each task those that wait for it, in the plan's order."""
    walked = [(task.id, waiting) for task, _, waiting in walk_up(plan_of(edges))]

    assert walked == [(name, dependents_of(edges)[name]) for name in reversed(edges)]


def test_an_empty_plan_takes_no_time() -> None:
    """There is no path."""
    assert critical_path(Plan(())) == ((), 0.0)


@given(edges=GRAPHS)
def test_cycles_are_found_just_where_the_reference_finds_them(edges: Edges) -> None:
    """One real cycle for each knot, and none in a graph without."""
    graph: nx.DiGraph[str] = nx.DiGraph((task, d) for task, before in edges.items() for d in before)
    knots = [knot for knot in nx.strongly_connected_components(graph) if len(knot) > 1]

    cycles = find_cycles(edges)

    assert len(cycles) == len(knots)
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(after in edges[task] for task, after in itertools.pairwise(cycle))


@given(edges=GRAPHS)
def test_the_order_holds_all_tasks_that_no_cycle_holds_up(edges: Edges) -> None:
    """Every listed task stands behind its dependencies; what is missing waits for a cycle."""
    order = topological_order(edges)
    place = {task: index for index, task in enumerate(order)}
    graph: nx.DiGraph[str] = nx.DiGraph((task, d) for task, before in edges.items() for d in before)
    graph.add_nodes_from(edges)
    stuck = {n for n in edges for d in edges[n] if d in edges and nx.has_path(graph, d, n)}
    held_up = {task for task in edges if any(nx.has_path(graph, task, one) for one in stuck)}

    assert set(order) == set(edges) - held_up
    assert all(place[d] < place[task] for task in order for d in edges[task])


def test_the_critical_path_leads_through_the_agents_that_try_a_task() -> None:
    """They work one after another: the shorter estimate is the longer way."""
    plan = plan_of({"a": [], "b": []}, {"a": 4.0, "b": 2.0})
    several = Plan((plan.by_id["a"], replace(plan.by_id["b"], best_of=3)))

    assert critical_path(several) == (("b",), 6.0)
    assert upward_ranks(several) == {"a": 4.0, "b": 6.0}


@given(edges=DAGS)
def test_critical_path_and_waves_agree_with_the_reference(edges: Edges) -> None:
    """With equal durations the critical path has one task for each wave."""
    plan = plan_of(edges)
    path, seconds = critical_path(plan)

    assert len(waves(plan)) == len(path) == seconds
    assert max(upward_ranks(plan).values()) == seconds


@given(edges=DAGS)
def test_pairs_are_unordered_just_when_no_path_joins_them(edges: Edges) -> None:
    """The bit sets answer as a search for each pair would."""
    graph: nx.DiGraph[str] = nx.DiGraph((d, task) for task, before in edges.items() for d in before)
    graph.add_nodes_from(edges)
    names = list(edges)
    pairs = list(itertools.combinations(range(len(names)), 2))

    free = unordered(plan_of(edges), pairs)

    assert free == {(a, b) for a, b in pairs if not nx.has_path(graph, names[a], names[b])}


def test_a_chain_of_ten_thousand_is_no_deeper_than_one_of_ten() -> None:
    """Nothing recurses."""
    edges = {f"t{i}": [f"t{i - 1}"] if i else [] for i in range(10_000)}
    plan = plan_of(edges)

    assert len(critical_path(plan)[0]) == len(waves(plan)) == 10_000
    assert upward_ranks(plan)["t0"] == 10_000
    assert find_cycles({**edges, "t0": ["t9999"]})[0][0] == "t0"
    assert unordered(plan, [(0, 9_999)]) == set()
