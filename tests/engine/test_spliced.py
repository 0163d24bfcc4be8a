"""What waits for what in a run with expansions, as ranks, forecasts and reports see it."""

from expansion_board import DIAMOND, WORKER, Board
from half_stored import store_half

from swarm.engine.engine import Engine
from swarm.engine.on_demand import TasksOnDemand
from swarm.engine.outlook import remaining_s
from swarm.engine.snapshot import take_snapshot
from swarm.engine.spliced import as_happened, joined
from swarm.engine.views import surroundings
from swarm.observe.why import causes
from swarm.testing.plans import make_plan, make_task


def nested(engine: Engine) -> Board:
    """`task → last`, of which the first was expanded, and the first part of that again."""
    board = Board(engine, make_plan("task", make_task("last", after=["task"])))
    board.expand("task")
    board.expand("task.a", make_plan("x", "y"))
    return board


def test_what_still_waits_comes_after_its_parts(engine: Engine) -> None:
    """In a topological order, each join after its sinks."""
    specs, joins = engine.specs(nested(engine).run)

    graph = {spec.id: spec.dependencies for spec in joined(specs, joins)}

    assert joins == {"task": ["task.d"], "task.a": ["task.a.x", "task.a.y"]}
    assert graph["task"] == ("task.d",)
    assert graph["task.a"] == ("task.a.x", "task.a.y")
    places = {name: place for place, name in enumerate(graph)}
    assert all(places[before] < places[name] for name in graph for before in graph[name])


def test_what_happened_begins_with_the_task_itself(engine: Engine) -> None:
    """Then its parts, and what depends on it after the innermost sinks."""
    tasks = engine.tasks(nested(engine).run)

    graph = {spec.id: spec.dependencies for spec in as_happened(tasks)}

    assert graph["task.a"] == ("task",)
    assert graph["task.a.x"] == ("task.a",)
    assert graph["task.b"] == ("task.a", "task.a.x", "task.a.y")
    assert graph["last"] == ("task", "task.d")
    assert next(iter(graph)) == "task"
    assert list(graph)[-1] == "last"


def test_without_expansions_the_plan_is_as_it_was(engine: Engine) -> None:
    """The order of submission, and no edge more."""
    board = Board(engine, DIAMOND)
    specs, joins = engine.specs(board.run)

    assert joined(specs, joins) == list(DIAMOND.tasks) == as_happened(engine.tasks(board.run))


def test_what_is_not_stored_is_no_dependency(engine: Engine) -> None:
    """A submission that was stopped leaves the end of a plan, whose first task waits for one not there."""
    run = store_half(engine)
    specs, joins = engine.specs(run)
    waits = joined(specs, joins)

    assert [spec.dependencies for spec in specs[:2]] == [("t49",), ("t50",)]
    assert [spec.dependencies for spec in waits[:2]] == [(), ("t50",)]
    assert as_happened(engine.tasks(run)) == waits


def test_a_forecast_counts_the_parts_and_not_their_task(engine: Engine) -> None:
    """One worker has two parts of a second each to do, and what comes after them."""
    board = Board(engine, make_plan("task", make_task("last", after=["task"])))
    engine.heartbeat(WORKER, kind="worker", state="idle")
    board.expand("task", make_plan("x", make_task("y", after=["x"])))

    left_s = remaining_s(take_snapshot(engine, board.run), {})

    assert left_s is not None
    assert 2.9 < left_s < 3.1


def test_why_names_the_parts_that_are_waited_for(engine: Engine) -> None:
    """From the task that waits, over the join, to the part at work."""
    board = nested(engine)
    board.claim("task.a.x")
    board.finish("task.a.y")

    around = surroundings(engine, board.run)
    chain = causes(TasksOnDemand(engine, around.run), around, "last")

    said = [f"{link.task}: {link.text}" for link in chain]
    assert said[0] == "last: pending: waits for 1 dependency: task"
    assert said[1] == "task: pending: waits for 1 of the 4 tasks that it was expanded into: task.d"
    assert "task.a: pending: waits for 1 of the 2 tasks that it was expanded into: task.a.x" in said
