"""Plan documents: both forms, every problem at once, and back to a document."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_documents import FULL, problems_of

from swarm.errors import PlanError
from swarm.plan.document import dump_plan, parse_plan
from swarm.plan.model import Plan, TaskSpec

ANALYZE = {"id": "analyze-1", "description": "List the components"}


def fault_of(text: str | bytes) -> str:
    """The message of a plan that is not even a document, or fail."""
    with pytest.raises(PlanError) as caught:
        parse_plan(text, source="my.json")
    return caught.value.message


def test_the_bare_array_is_a_plan() -> None:
    """The array form needs ids and descriptions only; everything else has a default."""
    plan = parse_plan('[{"id": "a", "description": "do it"}]')

    (task,) = plan.tasks
    assert (task.id, task.type, task.executor, task.files) == ("a", "general", "messages", ())
    assert plan.where == {"a": "$[0]"}


def test_the_object_form_keeps_every_field() -> None:
    """The full object of the documentation arrives as it was written."""
    plan = parse_plan(json.dumps({"version": 1, "goal": "Hooks", "tasks": [FULL, ANALYZE]}))

    task = plan.by_id["refactor-buttons"]
    assert plan.goal == "Hooks"
    assert task.acceptance == (("npm", "test", "--", "Button"),)
    assert (task.executor, task.estimate_s, task.reads) == ("claude-code", 600.0, ("components/types.ts",))
    assert plan.where["refactor-buttons"] == "$.tasks[0]"


def test_tasks_come_in_topological_order_with_ties_as_in_the_file() -> None:
    """A task stands behind its dependencies; otherwise the author's order stays."""
    plan = parse_plan(
        json.dumps(
            [
                {"id": "late", "description": "x", "dependencies": ["early"]},
                {"id": "free", "description": "x"},
                {"id": "early", "description": "x"},
            ]
        )
    )

    assert [task.id for task in plan.tasks] == ["free", "early", "late"]


def test_a_command_makes_the_executor_command() -> None:
    """Giving a command says enough."""
    plan = parse_plan('[{"id": "a", "description": "x", "command": ["make", "-j", "docs"]}]')

    assert (plan.tasks[0].executor, plan.tasks[0].command) == ("command", ("make", "-j", "docs"))


def test_every_problem_is_reported_at_once_with_its_path() -> None:
    """Wrong types, unknown fields, bad scopes, bad graph: one answer names them all."""
    found = problems_of(
        {
            "tasks": [
                {"id": "api", "description": "x", "depends_on": [], "files": ["src/a.py", "../x", 3]},
                {"id": "api", "description": 3, "estimate_s": "5"},
                {"id": "ui", "description": "x", "dependencies": ["apu", "ui"]},
                {"id": "one", "description": "x", "dependencies": ["two"]},
                {"id": "two", "description": "x", "dependencies": ["one"]},
                "not a task",
            ],
            "goals": "typo",
        }
    )

    assert set(found) == {
        "$.tasks[0].depends_on",
        "$.tasks[0].files[1]",
        "$.tasks[0].files[2]",
        "$.tasks[1].id",
        "$.tasks[1].description",
        "$.tasks[1].estimate_s",
        "$.tasks[2].dependencies[0]",
        "$.tasks[2].dependencies[1]",
        "$.tasks[3].dependencies",
        "$.tasks[5]",
        "$.goals",
    }
    assert "did you mean 'dependencies'?" in found["$.tasks[0].depends_on"]
    assert "did you mean 'goal'?" in found["$.goals"]
    assert (
        "unknown dependency 'apu' (did you mean 'api'? known: 'api', 'ui'"
        in found["$.tasks[2].dependencies[0]"]
    )
    assert "depends on itself" in found["$.tasks[2].dependencies[1]"]
    assert "cycle: one -> two -> one" in found["$.tasks[3].dependencies"]
    assert "duplicate id 'api' (first at $.tasks[0])" in found["$.tasks[1].id"]
    assert "'../x'" in found["$.tasks[0].files[1]"]


@pytest.mark.parametrize(
    ("field", "value", "path", "reason"),
    [
        ("id", "-rf", "id", "not a usable name: '-rf'"),
        ("id", "a b", "id", "not a usable name"),
        ("id", "a" * 101, "id", "not a usable name"),
        ("id", "a\n", "id", "not a usable name"),
        ("id", "a..b", "id", "cannot be part of a git ref"),
        ("id", "a.lock", "id", "cannot be part of a git ref"),
        ("type", "front end", "type", "not a usable name"),
        ("description", "", "description", "must not be empty"),
        ("description", " \n", "description", "blank"),
        ("description", "x" * 65_537, "description", "more than 65536 characters"),
        ("context", "é" * 40_000, "context", "text of 80000 bytes"),
        ("context", "\ud800", "context", "lone surrogate"),
        ("command", [], "command", "must not be empty"),
        ("command", ["", "x"], "command[0]", "name is empty"),
        ("command", ["echo", "a\0b"], "command[1]", "NUL"),
        ("command", "make all", "command", "valid list"),
        ("acceptance", [["make"], ["x", "\0"]], "acceptance[1][1]", "NUL"),
        ("acceptance", ["make test"], "acceptance[0]", "valid list"),
        ("executor", "command", "command", "needs a command"),
        ("executor", "shell", "executor", "'command', 'messages', 'claude-code' or 'plan'"),
        ("tier", "huge", "tier", "got 'huge'"),
        ("estimate_s", -1, "estimate_s", "greater than 0"),
        ("timeout_s", 1e9, "timeout_s", "less than or equal"),
        ("max_attempts", 0, "max_attempts", "greater than or equal to 1"),
        ("max_attempts", 1.5, "max_attempts", "integer"),
        ("priority", True, "priority", "integer"),
        ("deadline", "tomorrow", "deadline", "ISO 8601"),
        ("files", ["src\u202e/x"], "files[0]", "U+202E"),
        ("reads", [".git/hooks/x"], "reads[0]", "git's own folder"),
        ("dependencies", "b", "dependencies", "valid list"),
        ("dependencies", None, "dependencies", "valid list"),
    ],
)
def test_a_bad_value_is_named_at_its_path(field: str, value: object, path: str, reason: str) -> None:
    """One bad field gives one problem, at that field, with the value or the rule."""
    found = problems_of([{"id": "a", "description": "x", field: value}])

    assert set(found) == {f"$[0].{path}"}
    assert reason in found[f"$[0].{path}"]


def test_a_command_with_another_executor_is_refused() -> None:
    """A command that nothing would run is a mistake, not a hint."""
    found = problems_of([{"id": "a", "description": "x", "executor": "messages", "command": ["make"]}])

    assert "takes no command" in found["$[0].executor"]


@pytest.mark.parametrize("document", [[], {"tasks": []}])
def test_an_empty_plan_is_refused(document: object) -> None:
    """There is nothing to run."""
    assert "no tasks" in " ".join(problems_of(document).values())


@pytest.mark.parametrize("document", [3, "tasks", None, {"tasks": {}}, {"goal": "x"}])
def test_what_is_not_a_plan_is_refused(document: object) -> None:
    """Any other JSON gets an answer at its place, not a traceback."""
    assert problems_of(json.dumps(document))


@pytest.mark.parametrize(("value", "word"), [(None, "null"), (True, "true"), ([None, "ü"], '[null, "ü"]')])
def test_a_bad_value_is_named_as_json_spells_it(value: object, word: str) -> None:
    """Whoever reads the message has the JSON before them, not Python."""
    found = problems_of([{"id": "a", "description": value}])

    assert found["$[0].description"].endswith(f"got {word}")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_named_with_its_place(constant: str) -> None:
    """As any other fault, and not mistaken for the same word in a string."""
    fault = fault_of(f'[{{"id": "NaN \\" Infinity",\n "priority": {constant}}}]')

    assert fault.startswith(f"my.json: line 2 column 14: not JSON: {constant} is not a JSON number")


def test_of_a_file_that_is_no_json_only_a_few_characters_are_shown() -> None:
    """It may be a file of secrets, given by mistake."""
    assert fault_of("PASSWORD=correct-horse").endswith("found 'PASSWORD=c'")


def test_malformed_json_names_line_and_column() -> None:
    """The place of the fault, the source, and what stands there."""
    assert fault_of(
        '[\n  {"id": "a" "x"}\n]'
    ) == "my.json: line 2 column 14: not JSON: Expecting ',' delimiter, found " + ("'\"x\"}\\n]'")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (b"\xff\xfe[", "not UTF-8: byte 0xff at offset 0"),
        ("[" * 100_000, "nested too deeply"),
        ('[{"id": "a", "description": "x", "estimate_s": NaN}]', "NaN is not a JSON number"),
        ('[{"id": "a", "description": "x", "priority": ' + "9" * 5000 + "}]", "digits"),
        ("[1] trailing", "Extra data"),
    ],
)
def test_what_is_not_json_is_refused(text: str | bytes, reason: str) -> None:
    """Hostile and broken documents end in a PlanError that says why."""
    assert reason in fault_of(text)


def test_a_key_of_odd_digits_is_named_like_any() -> None:
    """Problems are in the order in which people count; a raised digit is none of theirs."""
    assert "2 problems" in fault_of('[{"id":"a","description":"x","1²3":1}, {"id":"b"}]')


def test_a_repeated_key_is_told_beside_all_else_that_is_wrong() -> None:
    """One look at a plan is enough to mend it."""
    text = '[{"id": "a", "id": "b", "description": 3, "%s": 1}]' % ("z" * 5000)

    found = problems_of(text)

    assert sorted(found) == ["$[0].description", "$[0].id", f"$[0]['{'z' * 79}…]"]
    assert max(map(len, found.values())) < 500


def test_a_repeated_key_is_an_error() -> None:
    """JSON parsers keep one of two equal keys in silence; a plan must not lose half of what it says."""
    found = problems_of('{"tasks": [{"id": "a", "description": "x", "files": ["a"], "files": ["b"]}]}')

    assert found == {"$.tasks[0].files": "$.tasks[0].files: key 'files' is given more than once"}


def test_more_tasks_than_a_plan_may_hold_are_refused() -> None:
    """The cap is checked before anything is built from the tasks."""
    assert "100001 tasks" in fault_of("[" + ",".join(["1"] * 100_001) + "]")


@given(cut=st.integers(min_value=0, max_value=400))
def test_a_plan_cut_anywhere_is_a_plan_error(cut: int) -> None:
    """No truncation gives a traceback or half a plan."""
    text = json.dumps({"version": 1, "goal": "Hooks", "tasks": [FULL, ANALYZE]})
    short = text[: min(cut, len(text) - 1)]

    with pytest.raises(PlanError):
        parse_plan(short)


@given(
    edges=st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8),
    goal=st.text(max_size=20).filter(lambda text: text.isprintable()),
)
def test_a_dumped_plan_parses_to_an_equal_plan(edges: list[list[int]], goal: str) -> None:
    """dump_plan loses nothing and is stable."""
    tasks = [
        {"id": f"t{index}", "description": "x", "dependencies": [f"t{d}" for d in before if d < index]}
        for index, before in enumerate(edges)
    ]
    plan = parse_plan(json.dumps({"goal": goal, "tasks": tasks}))

    text = dump_plan(plan)

    assert parse_plan(text) == plan
    assert dump_plan(parse_plan(text)) == text


@pytest.mark.parametrize("name", ["plain.py", '\u00e4 \u4e2d\u6587 "quoted" \u2028.py', "no-utf-8-\udcff.py"])
def test_a_dumped_plan_looks_like_any_json(name: str) -> None:
    """Two spaces deep, letters as they are, whichever encoder can write it."""
    plan = Plan((TaskSpec("a", "x", files=(name, "b.py"), acceptance=(("make", "t"),), estimate_s=0.5),))

    text = dump_plan(plan)

    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
    assert json.loads(text)["tasks"][0]["files"] == [name, "b.py"]


def test_a_dumped_plan_holds_only_what_differs_from_the_defaults() -> None:
    """People read and edit the file that `swarm plan` writes."""
    plan = parse_plan(
        '[{"id": "a", "description": "x", "command": ["make"], "tier": "worker", "estimate_s": 60}]'
    )

    assert json.loads(dump_plan(plan)) == {
        "version": 1,
        "tasks": [{"id": "a", "description": "x", "command": ["make"], "estimate_s": 60}],
    }


def test_a_plan_in_code_is_equal_to_the_parsed_one() -> None:
    """Where a task stood in a file is no part of what it is."""
    plan = parse_plan('[{"id": "a", "description": "x"}]')

    assert Plan(tasks=plan.tasks) == plan
