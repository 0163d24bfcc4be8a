"""Sub-plans as agents write them: what they inherit, and everything that can be wrong with them."""

import json
from dataclasses import replace

import pytest

from swarm.errors import PlanError
from swarm.plan.expansion import describe_problems, read_expansion
from swarm.plan.model import TaskSpec
from swarm.plan.scope import WriteScope, is_inside
from swarm.plan.subplan import INHERITED, MOST_EDGES, MOST_TASKS, accepted, check_size, placed
from swarm.testing.plans import make_plan, make_task

WHOLE = TaskSpec(
    "whole",
    "do it",
    type="docs",
    needs=("gpu",),
    tier="top",
    timeout_s=70.0,
    max_attempts=2,
    priority=4,
    files=("src/", "docs/*.md"),
    review=True,
)


def faults(rows: object, whole: TaskSpec = WHOLE) -> str:
    """All that is said about these tasks."""
    with pytest.raises(PlanError) as caught:
        read_expansion(json.dumps(rows), whole, bounds=whole.files)
    return describe_problems(caught.value)


def test_what_a_part_does_not_say_it_inherits() -> None:
    """Type, tags, tier, time limit, attempts, priority and review; not what it is to do or where."""
    plan = read_expansion('[{"id": "a", "description": "x"}]', WHOLE, bounds=WHOLE.files)

    (part,) = plan.tasks
    assert part == replace(WHOLE, id="a", description="x", files=())


def test_what_a_part_says_counts() -> None:
    """Whatever the whole has."""
    row = {"id": "a", "description": "x", "type": "code", "timeout_s": 5, "files": ["src/a.py"]}

    (part,) = read_expansion(json.dumps({"goal": "g", "tasks": [row]}), WHOLE, bounds=WHOLE.files).tasks

    assert (part.type, part.timeout_s, part.files) == ("code", 5.0, ("src/a.py",))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """Schema, names, cycles and scopes, each with its path."""
    said = faults(
        [
            {"id": "a", "description": "x", "dependencies": ["b"], "files": ["other.py"]},
            {"id": "b", "description": "x", "dependencies": ["a", "task-of-the-plan"]},
            {"id": "b", "desc": "x"},
        ]
    )

    assert "$[0].files[0]: 'other.py' is not inside the write scope" in said
    assert "cycle: a -> b -> a" in said
    assert "unknown dependency 'task-of-the-plan'" in said
    assert "duplicate id 'b'" in said
    assert "unknown field 'desc'" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("{", "not JSON"),
        ("[]", "no tasks"),
        ("3", "not a plan"),
        ('[{"id": "a", "id": "b", "description": "x"}]', "more than once"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, said: str) -> None:
    """As a plan file would be."""
    with pytest.raises(PlanError) as caught:
        read_expansion(text, WHOLE)

    assert said in describe_problems(caught.value)


def test_an_executor_that_nobody_serves_is_refused() -> None:
    """What the linter calls an error is one here too."""
    assert "no worker serves" in faults([{"id": "a", "description": "x", "executor": "claude-code"}])


def test_without_bounds_any_path_of_the_repository_will_do() -> None:
    """A task without files may plan for all of it."""
    rows = '[{"id": "a", "description": "x", "files": ["any/where.py"]}]'

    assert read_expansion(rows, replace(WHOLE, files=())).tasks[0].files == ("any/where.py",)


def test_size_has_a_bound() -> None:
    """Tasks, edges, and the length of the names that they get."""
    many = [{"id": f"t{n}", "description": "x"} for n in range(MOST_TASKS + 1)]
    dense = [
        {"id": f"t{n}", "description": "x", "dependencies": [f"t{m}" for m in range(n)]} for n in range(60)
    ]

    assert f"{MOST_TASKS + 1} tasks, at most {MOST_TASKS}" in faults(many)
    assert f"1770 dependencies, at most {MOST_EDGES}" in faults(dense)
    assert "longer than 200" in faults([{"id": "x" * 99, "description": "x"}], replace(WHOLE, id="y" * 99))
    with pytest.raises(PlanError, match="no tasks"):
        check_size(make_plan(), WHOLE)


def test_acceptance_commands_get_a_part_of_their_own() -> None:
    """It waits for every sink, has a name that is free, and what the whole has, whatever the parts say."""
    whole = replace(WHOLE, acceptance=(("make", "test"), ("false",)), priority=7)
    plan = make_plan("accept", make_task("b", after=["accept"]), make_task("c", priority=-3))

    made = accepted(plan, whole)

    assert made.tasks[:-1] == plan.tasks
    last = made.tasks[-1]
    assert (last.id, last.dependencies, last.acceptance) == ("accept-2", ("b", "c"), whole.acceptance)
    assert (last.executor, last.command, last.files) == ("command", ("true",), ())
    assert all(getattr(last, name) == getattr(whole, name) for name in INHERITED)
    assert accepted(plan, WHOLE) is plan


def test_the_part_that_accepts_has_a_name_of_bounded_length_too() -> None:
    """Where it would be too long, the sub-plan is refused."""
    whole = replace(WHOLE, id="y" * 190, acceptance=(("true",),))

    assert "acceptance commands cannot be expanded" in faults([{"id": "x", "description": "x"}], whole)


def test_placed_tasks_keep_their_edges() -> None:
    """Each id and each dependency gets the prefix."""
    plan = placed(make_plan("a", make_task("b", after=["a"])), "w.")

    assert [(task.id, task.dependencies) for task in plan.tasks] == [("w.a", ()), ("w.b", ("w.a",))]


@pytest.mark.parametrize(
    ("pattern", "outer"),
    [
        ("src/a.py", "src"),
        ("src/a.py", "src/a.py"),
        ("src/a.py", "src/*.py"),
        ("src/a.py", "**"),
        ("src/*.py", "src/*.py"),
        ("src/*.py", "src"),
        ("src/*.py", "src/**"),
        ("src/*.py", "src/*"),
        ("src/deep/**", "src/*"),
        ("src/deep/*.py", "s*"),
        ("**", "**"),
        ("src", "src"),
        ("docs", "docs"),
        ("conf.d/**", "conf.d/**"),
        ("conf.d/x*", "conf.d/**"),
        (r"a\*b", r"a\*b"),
    ],
)
def test_these_are_inside(pattern: str, outer: str) -> None:
    """Whatever the pattern covers, the outer one covers."""
    assert is_inside(pattern, [outer, "elsewhere"])


@pytest.mark.parametrize(
    ("pattern", "outer"),
    [
        ("src/a.py", "src/b.py"),
        ("src", "src/a.py"),
        ("src", "src/**"),  # a file of that name is not below it
        ("src/*.py", "src/*.md"),
        ("src/**", "src/*.py"),
        ("**", "src"),
        ("*.py", "src"),
        ("srcs/*.py", "src"),
        ("conf.d/*", "conf.d"),  # a file, by its extension
        ("src/a*.py", "src/[!b]*"),
        ("*/x.py", "src/*"),
        ("a/*.py", ""),
    ],
)
def test_these_are_not_inside_for_sure(pattern: str, outer: str) -> None:
    """Unsure means no."""
    assert not is_inside(pattern, [outer] if outer else [])


PATTERNS = (
    "**",
    "a",
    "a/b",
    "a/*",
    "a/**",
    "a/*.py",
    "*",
    "*.py",
    "a/b.py",
    "a/b/*.py",
    "**/b.py",
    "a/*/c",
    "x.d/**",
)
PATHS = (
    "a",
    "b.py",
    "a/b",
    "a/b.py",
    "a/c",
    "a/x/c",
    "a/b/c.py",
    "a/b/c/d.py",
    "x.d",
    "x.d/y",
    "a/x/b.py",
    "a/x/c/d",
)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("outer", PATTERNS)
def test_inside_means_that_no_path_escapes(pattern: str, outer: str) -> None:
    """Compared with what the two cover, path by path."""
    escaping = [
        path for path in PATHS if WriteScope([pattern]).covers(path) > WriteScope([outer]).covers(path)
    ]

    assert not (is_inside(pattern, [outer]) and escaping)
