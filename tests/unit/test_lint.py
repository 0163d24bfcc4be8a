"""The plan linter: what it doubts, and what it leaves alone."""

import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Iterator

import networkx as nx
import pytest
from counted_calls import calls_of
from hypothesis import given
from hypothesis import strategies as st
from overlapping import overlap

from swarm.plan.document import parse_plan
from swarm.plan.lint import Finding, lint
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.scope import WHOLE_REPOSITORY, literal_prefix


def task(task_id: str, **fields: object) -> dict[str, object]:
    """A task that the linter has nothing against, and `fields`."""
    return {"id": task_id, "description": f"do {task_id}", "acceptance": [["true"]], **fields}


def plan_of(*tasks: dict[str, object]) -> Plan:
    """A parsed plan of these tasks."""
    return parse_plan(json.dumps({"tasks": tasks}))


def findings_of(*tasks: dict[str, object]) -> list[Finding]:
    """What the linter says about these tasks."""
    return lint(plan_of(*tasks))


def test_a_sound_plan_has_no_findings() -> None:
    """Disjoint scopes, ordered reads, acceptance everywhere."""
    assert not findings_of(
        task("a", files=["src/a.py"]),
        task("b", files=["src/b.py"], reads=["src/a.py"], dependencies=["a"]),
        task("c", files=["src/a.py"], dependencies=["b"]),
    )


def test_unordered_writers_of_one_file_are_named() -> None:
    """The finding names both tasks, the path, and where it stands."""
    (finding,) = findings_of(task("a", files=["x.py"]), task("b", files=["y.py", "x.py"]))

    assert (finding.level, finding.path) == ("warning", "$.tasks[0].files[0]")
    assert finding.message == "'a' and 'b' write 'x.py', in no fixed order"


def test_ordered_writers_of_one_file_are_left_alone() -> None:
    """A dependency, even an indirect one, is what the hint asks for."""
    assert not findings_of(
        task("a", files=["x.py"]),
        task("b", dependencies=["a"]),
        task("c", files=["x.py"], dependencies=["b"]),
    )


def test_a_folder_and_a_file_in_it_overlap() -> None:
    """A directory covers what is below it, in whichever task it stands."""
    (finding,) = findings_of(task("a", files=["src"]), task("b", files=["src/deep/x.py"]))

    assert "write 'src/deep/x.py'" in finding.message


def test_the_whole_repository_as_scope_is_doubted() -> None:
    """It stops everything else."""
    (finding,) = findings_of(task("a", files=["**"]))

    assert (finding.path, finding.level) == ("$.tasks[0].files[0]", "warning")
    assert "whole repository" in finding.message


def test_reading_what_an_unordered_task_writes_is_doubted() -> None:
    """The reader may see the file before or after."""
    (finding,) = findings_of(task("a", files=["src/a.py"]), task("b", reads=["src"], files=["b.py"]))

    assert finding.path == "$.tasks[1].reads[0]"
    assert "'b' reads 'src', which 'a' writes" in finding.message


def test_agent_tasks_without_acceptance_are_counted_once() -> None:
    """One finding for the plan; commands prove themselves by their exit code."""
    (finding,) = findings_of(
        {"id": "a", "description": "x", "files": ["a"]},
        {"id": "b", "description": "y", "files": ["b"]},
        {"id": "c", "description": "z", "files": ["c"], "command": ["true"]},
    )

    assert finding.message == "2 of 2 agent tasks have no acceptance command: 'a', 'b'"


def test_the_same_work_twice_is_doubted() -> None:
    """Equal description, scope and command under two ids is a slip of the pen."""
    found = findings_of(
        task("a", files=["x"], description="Write x"),
        task("b", files=["x"], description="write x", dependencies=["a"]),
    )

    assert [finding.message for finding in found] == ["'b' asks for the same as 'a'"]


def test_a_task_longer_than_its_time_limit_is_an_error() -> None:
    """By its own numbers it cannot end; errors come first."""
    found = findings_of(task("w", files=["**"]), task("a", estimate_s=700, timeout_s=600))

    assert [finding.level for finding in found] == ["error", "warning"]
    assert found[0].path == "$.tasks[1].estimate_s"


def test_the_default_estimate_accuses_nobody() -> None:
    """Setting a short time limit alone is fine."""
    assert not findings_of(task("a", timeout_s=60))


SCOPES = st.lists(st.sampled_from(["a", "a/b", "a/b/c", "a/*.py", "b", "b/c", "**"]), max_size=2, unique=True)
TASKS = st.lists(st.tuples(SCOPES, st.lists(st.integers(0, 7), max_size=2)), min_size=2, max_size=8)


@given(rows=TASKS)
def test_a_plan_is_called_contended_just_when_two_unordered_scopes_overlap(
    rows: list[tuple[list[str], list[int]]],
) -> None:
    """Looking at neighbours only finds what comparing all pairs finds."""
    plan = plan_of(
        *(
            task(f"t{i}", files=files, dependencies=[f"t{d}" for d in before if d < i])
            for i, (files, before) in enumerate(rows)
        )
    )
    graph: nx.DiGraph[str] = nx.DiGraph((d, one.id) for one in plan.tasks for d in one.dependencies)
    graph.add_nodes_from(plan.by_id)
    clash = any(
        overlap(mine, yours)
        for one, other in itertools.combinations(plan.tasks, 2)
        if not nx.has_path(graph, one.id, other.id) and not nx.has_path(graph, other.id, one.id)
        for mine in one.files
        for yours in other.files
    )

    assert any("in no fixed order" in finding.message for finding in lint(plan)) == clash


READERS = st.lists(st.tuples(SCOPES, SCOPES, st.lists(st.integers(0, 7), max_size=2)), min_size=2, max_size=8)
READ = re.compile(
    r"'(?P<reader>\w+)' reads '(?P<path>[^']+)', which '(?P<writer>\w+)' writes, in no fixed order"
    r"( \(and (?P<more>\d+) pairs like them\))?"
)


@given(rows=READERS)
def test_unsettled_reads_are_those_that_comparing_with_each_near_writer_finds(
    rows: list[tuple[list[str], list[str], list[int]]],
) -> None:
    """One finding for each path that is read: its first pair of tasks, and how many more there are."""
    plan = plan_of(
        *(
            task(f"t{i}", files=files, reads=reads, dependencies=[f"t{d}" for d in before if d < i])
            for i, (files, reads, before) in enumerate(rows)
        )
    )
    about: dict[frozenset[str], tuple[str, str]] = {}  # a pair -> the path, and who reads it
    for reader, read in ((one, read) for one in plan.tasks for read in one.reads):
        for writer in near_writers(plan, reader, read):
            if not is_ordered(plan, reader.id, writer.id):
                path = literal_prefix(read) or WHOLE_REPOSITORY
                about.setdefault(frozenset({reader.id, writer.id}), (path, reader.id))
    counts = Counter(path for path, _ in about.values())
    readers = dict(reversed(about.values()))

    said = [re.match(READ, finding.message) for finding in lint(plan) if " reads " in finding.message]

    found = [one for one in said if one]
    assert {one["path"]: int(one["more"] or 0) + 1 for one in found} == counts
    assert {one["path"]: one["reader"] for one in found} == readers
    assert all(frozenset({one["reader"], one["writer"]}) in about for one in found)
    assert len(found) == len(said) == len(counts)


def near_writers(plan: Plan, reader: TaskSpec, read: str) -> Iterator[TaskSpec]:
    """Of all who write each path that overlaps, the nearest: eight on each side, one if it lies below."""
    prefixes = {literal_prefix(pattern) for one in plan.tasks for pattern in one.files}
    position = plan.tasks.index(reader)
    for prefix in sorted(one for one in prefixes if overlap(read, one or WHOLE_REPOSITORY)):
        places = [
            place
            for place, one in enumerate(plan.tasks)
            for pattern in one.files
            if literal_prefix(pattern) == prefix
        ]
        count = 1 if len(prefix) > len(literal_prefix(read)) else 8
        near = [place for place in places if place < position][-count:]
        near += [place for place in places if place >= position][: count + 1]
        yield from (plan.tasks[place] for place in near if place != position)


def is_ordered(plan: Plan, one: str, other: str) -> bool:
    """One of the two waits for the other."""
    graph: nx.DiGraph[str] = nx.DiGraph((d, task.id) for task in plan.tasks for d in task.dependencies)
    graph.add_nodes_from(plan.by_id)
    return nx.has_path(graph, one, other) or nx.has_path(graph, other, one)


def shared_plan(count: int) -> Plan:
    """Layers of 100 tasks that write and read what others do, of as many paths for each task at any size."""
    chance = random.Random(1)
    shared = [f"src/m{n % 20}/f{n}.py" for n in range(count // 10)] + ["src/m1", "src/m2/**", "src/*.py"]
    rows = []
    for n in range(count):
        above = range(n - n % 100 - 100, n - n % 100)
        one, other, read = chance.sample(shared, 3)
        before = [f"t{d}" for d in chance.sample(above, 2)] if n >= 100 else []
        rows.append(task(f"t{n}", files=[one, other], reads=[read], dependencies=before))
    return plan_of(*rows)


def test_four_times_as_many_tasks_that_share_files_are_four_times_the_work() -> None:
    """Neighbours are looked at, not all of those who write the same path or below it."""
    small, large = shared_plan(1_000), shared_plan(4_000)

    assert calls_of(lambda: lint(large)) < 4.5 * calls_of(lambda: lint(small))


@pytest.mark.timeout(60)
def test_ten_thousand_overlapping_tasks_are_not_compared_all_with_all() -> None:
    """Everybody writes the same file and reads everything: still seconds, and few findings."""
    plan = plan_of(
        *(task(f"t{i}", files=["src/**", "src/a.py", f"d{i % 100}/x"], reads=["**"]) for i in range(10_000))
    )

    found = lint(plan)

    assert 0 < len(found) < 300
