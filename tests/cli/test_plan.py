"""`plan`, `validate`, `show`, `schema`: everything about a plan before and while it runs."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from swarm.plan.model import TaskSpec
from swarm.testing.repository import make_repository
from swarm.testing.script import ScriptedReply, failing, saying
from swarm.testing.scripted_model import ScriptedModel

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]
Plan = Callable[..., Any]

TASKS: list[dict[str, Any]] = [
    {
        "id": "parse",
        "description": "Write it",
        "files": ["parse.py"],
        "acceptance": [["true"]],
        "estimate_s": 60,
    },
    {
        "id": "docs",
        "description": "Document it",
        "files": ["docs/*.md"],
        "dependencies": ["parse"],
        "type": "docs",
    },
]
GOOD = json.dumps({"goal": "A parser", "tasks": TASKS})


@pytest.fixture
def plan_file(folder: Path) -> Path:
    """A plan of two tasks, one after the other."""
    path = folder / "plan.json"
    path.write_text(GOOD)
    return path


@pytest.fixture
def plan(swarm: Swarm, folder: Path) -> Iterator[Callable[..., Any]]:
    """Runs `swarm plan` on a small repository with a scripted model and a key, or without."""
    make_repository(folder / "repository", {"README.md": "hello\n"})
    requirements = folder / "repository" / "requirements.md"
    requirements.write_text("Write a parser.\n")

    def run(script: Sequence[ScriptedReply], *words: str, key: str = "sk-test") -> Any:
        with ScriptedModel(script) as model:
            # A key is read from the environment only; the fixture behind `swarm` keeps the developer's own.
            os.environ.update({"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": key})
            return swarm("-C", str(requirements.parent), "plan", str(requirements), *words)

    yield run
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"):
        os.environ.pop(name, None)


def test_planning_writes_the_file_and_shows_what_is_in_it(plan: Plan, folder: Path) -> None:
    """Tasks, edges, waves, critical path, write scopes and estimates, before anything runs."""
    done = plan([saying(GOOD)], "-o", str(folder / "new.json"))

    written = json.loads((folder / "new.json").read_text())
    lines = [" ".join(line.split()) for line in done.err.splitlines()]
    assert (done.code, done.out) == (0, "")
    assert [task["id"] for task in written["tasks"]] == ["parse", "docs"]
    assert "2 tasks, 1 dependency, 2 waves, at most 1 at once" in lines
    assert "estimate 6m00s on the critical path, of 6m00s of work: parse → docs" in lines
    assert "1 parse general 1m00s - parse.py" in lines
    assert "2 docs docs 5m00s parse docs/*.md" in lines


def test_without_an_output_file_the_plan_goes_to_stdout(plan: Plan) -> None:
    """`swarm plan requirements.md | jq` works: stdout is the plan, and nothing else."""
    done = plan([saying(GOOD)])

    assert [task["id"] for task in done.json()["tasks"]] == ["parse", "docs"]


def test_planning_as_json_says_what_it_took(plan: Plan) -> None:
    """A program gets the plan, its graph, the repairs and the cost in one document."""
    cyclic = json.dumps([{**TASKS[0], "dependencies": ["docs"]}, TASKS[1]])

    done = plan([saying(cyclic), saying(GOOD)], "--json")

    data = done.json()
    assert done.err == ""
    assert (data["waves"], data["critical_path"], data["repairs"]) == (
        [["parse"], ["docs"]],
        ["parse", "docs"],
        1,
    )
    assert data["cost_usd"] > 0


def test_without_a_key_planning_says_what_to_set(plan: Plan, folder: Path) -> None:
    """Exit 4, the variable's name, and no file."""
    done = plan([], "-o", str(folder / "new.json"), key="")

    assert done.code == 4
    assert done.err.splitlines()[0].startswith("error[SW020]: ")
    assert "ANTHROPIC_API_KEY" in done.err
    assert not (folder / "new.json").exists()


def test_requirements_that_say_nothing_are_refused_before_planning(plan: Plan, folder: Path) -> None:
    """Nothing is announced that does not happen."""
    (folder / "repository" / "requirements.md").write_text("\ufeff \n", encoding="utf-8")

    done = plan([])

    assert (done.code, done.err.splitlines()[0].startswith("error[SW001]: ")) == (2, True)


def test_a_key_that_is_refused_is_exit_4(plan: Plan) -> None:
    """A wrong credential is not an internal error."""
    done = plan([failing(401, "authentication_error", "invalid x-api-key")], "--json")

    assert (done.code, done.json()["error"]["code"]) == (4, "SW020")


def test_an_answer_that_is_no_plan_writes_nothing(plan: Plan, folder: Path) -> None:
    """Exit 2 after the repairs, with every problem and the place of what the model said."""
    dangling = json.dumps([{**TASKS[0], "dependencies": ["prase"], "files": ["../x"]}])

    done = plan([saying(dangling)] * 3, "-o", str(folder / "new.json"), "--json")

    error = done.json()["error"]
    assert (done.code, error["code"]) == (2, "SW003")
    assert [problem["path"] for problem in error["problems"]] == [
        "$[0].dependencies[0]",
        "$[0].files[0]",
    ]
    assert not (folder / "new.json").exists()


def test_validate_accepts_both_forms(swarm: Swarm, plan_file: Path) -> None:
    """The bare array, and the object."""
    whole = swarm("validate", str(plan_file), "--json").json()
    plan_file.write_text(json.dumps(TASKS))
    bare = swarm("validate", str(plan_file), "--json").json()

    assert (whole["ok"], whole["tasks"], whole["dependencies"]) == (True, 2, 1)
    assert bare | {"findings": []} == whole | {"findings": []}


def test_files_are_relative_to_the_folder_of_dash_c(swarm: Swarm, plan_file: Path, folder: Path) -> None:
    """As for git: `-C DIR` is as if the command had been started there."""
    checked = swarm("validate", plan_file.name)
    shown = swarm("show", plan_file.name)

    assert (checked.code, shown.code) == (0, 0)
    assert checked.out.startswith(f"{folder / plan_file.name}: 2 tasks")


def test_validate_lists_every_problem_at_once(swarm: Swarm, plan_file: Path) -> None:
    """One run of the command is enough to mend the file."""
    plan_file.write_text(
        json.dumps([{"id": "a", "description": "x", "dependencies": ["b"], "filles": ["/etc"]}])
    )

    refused = swarm("validate", str(plan_file))

    assert refused.code == 2
    assert refused.out == ""
    listed = [line.strip() for line in refused.err.splitlines()[1:]]
    assert any(line.startswith("$[0].dependencies[0]: ") for line in listed)
    assert any(line.startswith("$[0].filles: ") and "'files'" in line for line in listed)


def test_many_warnings_of_one_kind_are_cut_and_counted(swarm: Swarm, plan_file: Path) -> None:
    """The few of another kind among them are seen; JSON has all."""
    many = [
        {**TASKS[0], "id": f"t{number}", "description": f"do {number}", "files": [f"{number // 2}.py"]}
        for number in range(100)
    ]
    wide = {**TASKS[0], "id": "wide", "files": ["**"], "dependencies": [task["id"] for task in many]}
    plan_file.write_text(json.dumps([*many, wide]))

    shown, data = swarm("validate", str(plan_file)), swarm("validate", str(plan_file), "--json").json()

    lines = [line.strip() for line in shown.out.splitlines()]
    same = [line for line in lines if line.endswith("(they will wait for each other; order or merge them)")]
    assert shown.code == 0
    assert lines[0].endswith("101 tasks, 51 warnings")
    assert len(same) == 20
    assert "… and 30 more like it: --json has all" in lines
    assert any("may write the whole repository" in line for line in lines)
    assert len(data["findings"]) == 51


def test_a_plan_that_says_itself_it_must_fail_is_refused(swarm: Swarm, plan_file: Path) -> None:
    """An estimate beyond the time limit is an error, not a remark."""
    plan_file.write_text(json.dumps([{**TASKS[0], "estimate_s": 900, "timeout_s": 60}]))

    refused = swarm("validate", str(plan_file), "--json")

    assert refused.code == 2
    assert refused.json()["error"]["problems"][0]["path"] == "$[0].estimate_s"


@pytest.mark.parametrize("words", [["validate"], ["show"]])
def test_a_plan_that_cannot_be_read_is_a_usage_error(swarm: Swarm, folder: Path, words: list[str]) -> None:
    """A missing file and a binary one are named, not traced."""
    (folder / "binary.json").write_bytes(b"\xff\xfe\x00")

    missing = swarm(*words, str(folder / "none.json"))
    binary = swarm(*words, str(folder / "binary.json"))

    assert (missing.code, binary.code) == (2, 2)
    assert f"{folder / 'none.json'}: cannot be read" in missing.err
    assert f"{folder / 'binary.json'}: cannot be read" in binary.err


def test_show_draws_a_plan_as_a_tree(swarm: Swarm, plan_file: Path) -> None:
    """Each task under what it waits for."""
    drawn = swarm("show", str(plan_file))

    assert drawn.out == "parse  general 1m00s  parse.py\n└─ docs  docs 5m00s  docs/*.md\n"


def test_show_draws_a_run_with_its_states(swarm: Swarm, bench: Bench, task: Task) -> None:
    """The same picture while it runs."""
    bench.submit(task("a"), task("b", "a"))
    bench.land()

    assert swarm("show").out == "✔ a  general 5m00s  done  a.py\n└─ ◎ b  general 5m00s  queued  b.py\n"


def test_show_as_json_has_its_documented_shape(
    swarm: Swarm, bench: Bench, plan_file: Path, task: Task
) -> None:
    """A plan and a run differ by the tasks' states only."""
    bench.submit(task("a"))

    of_plan = swarm("show", str(plan_file), "--json").json()
    of_run = swarm("show", "--format", "json").json()

    keys = {"version", "goal", "tasks", "waves", "critical_path", "critical_path_s", "work_s"}
    assert (set(of_plan), set(of_run)) == (keys, keys)
    assert set(of_run["tasks"][0]) - set(of_plan["tasks"][0]) == {"state"}


def test_show_writes_mermaid_and_dot(swarm: Swarm, plan_file: Path) -> None:
    """For a pull request, and for Graphviz."""
    mermaid = swarm("show", str(plan_file), "--format", "mermaid").out.splitlines()
    dot = swarm("show", str(plan_file), "--format", "dot").out.splitlines()

    assert mermaid == ["flowchart LR", '  t0["parse<br/>general"]', '  t1["docs<br/>docs"]', "  t0 --> t1"]
    assert dot[0] == "digraph plan {"
    assert '  "parse" -> "docs";' in dot


def test_ten_thousand_tasks_are_checked_and_drawn(swarm: Swarm, folder: Path) -> None:
    """A chain of 10,000 is no recursion, and no wait."""
    tasks = [
        {"id": f"t{n}", "description": "x", "dependencies": [f"t{n - 1}"] if n else [], "files": [f"{n}.py"]}
        for n in range(10_000)
    ]
    (folder / "big.json").write_text(json.dumps(tasks))

    assert swarm("validate", str(folder / "big.json"), "--json").json()["tasks"] == 10_000
    assert len(swarm("show", str(folder / "big.json"), "--format", "mermaid").out.splitlines()) == 20_000


def test_the_schema_names_every_field_of_a_task(swarm: Swarm) -> None:
    """Editors complete what the parser accepts."""
    schema = json.dumps(swarm("schema", "plan").json())

    assert all(f'"{name}"' in schema for name in TaskSpec.__dataclass_fields__)
