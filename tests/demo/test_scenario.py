"""The demo's parts: a plan that the script can do, and a script that makes the tests pass."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.demo.scenario import demo_repository, demo_requirements, demo_script
from swarm.demo.script import PLANNER
from swarm.models.client import ModelClient
from swarm.plan.graph import waves
from swarm.plan.lint import lint
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.schema import PLANNED_FIELDS
from swarm.plan.scope import WriteScope
from swarm.planning.planner import plan_requirements
from swarm.settings import Settings
from swarm.testing.repository import UserRepository
from swarm.testing.script import Json, ModelRequest
from swarm.testing.scripted_model import ScriptedModel

ALL_TESTS = ["python3", "-m", "unittest", "discover", "-s", "tests", "-t", "."]
GATE = ["python3", "-m", "unittest", "--quiet", "checks.written"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The demo's repository."""
    return demo_repository(tmp_path / "tally")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """The plan, as the real planner gets it from the scripted model."""
    with ScriptedModel(demo_script()) as model:
        settings = Settings(anthropic_api_key="scripted", anthropic_base_url=model.url)
        with ModelClient(settings) as client:
            keep = tmp_path_factory.mktemp("said")
            yield plan_requirements(
                demo_requirements(), "a map", client, model="claude-opus-5-5", keep=keep
            ).plan


def passes(root: Path, argv: list[str]) -> bool:
    """The command succeeds in the folder."""
    command = [sys.executable if argv[0] == "python3" else argv[0], *argv[1:]]
    env = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, check=False).returncode == 0


def conversation(root: Path, task: TaskSpec) -> tuple[str, list[str]]:
    """Do what the script says for a task, as a worker would; the last text and the files it wrote."""
    script = demo_script()
    prompt = f"<task>\nid: {task.id}\ntype: {task.type}\n\n{task.description}\n</task>"
    messages: list[Json] = [{"role": "user", "content": [{"type": "text", "text": prompt}]}]
    written: list[str] = []
    while True:
        reply = script(ModelRequest("/v1/messages", {}, {"messages": messages}))
        calls = [block for block in reply.content if block["type"] == "tool_use"]
        if not calls:
            return reply.content[0]["text"], written
        for call in calls:
            written += perform(root, call["name"], call["input"])
        messages += [{"role": "assistant", "content": []}, {"role": "user", "content": []}]


def perform(root: Path, tool: str, arguments: Json) -> list[str]:
    """One tool call on plain files; the paths it wrote."""
    path = root / arguments.get("path", ".")
    if tool == "write_file":
        path.parent.mkdir(exist_ok=True)
        path.write_text(arguments["content"], encoding="utf-8")
    elif tool == "edit_file":
        text = path.read_text(encoding="utf-8")
        assert text.count(arguments["old"]) == 1
        path.write_text(text.replace(arguments["old"], arguments["new"]), encoding="utf-8")
    else:
        assert tool in {"read_file", "list_files", "run_command"}
        assert path.exists()
        return []
    return [arguments["path"]]


def test_the_plan_has_the_shape_that_the_demo_shows(plan: Plan) -> None:
    """Enough tasks, a fan-out, a fan-in, and just one file that two unordered tasks want."""
    contended = [finding for finding in lint(plan) if "in no fixed order" in finding.message]

    assert len(plan.tasks) >= 8
    assert len(waves(plan)[0]) >= 4
    assert max(len(task.dependencies) for task in plan.tasks) >= 4
    assert [finding.message for finding in contended] == [
        "'render-text' and 'render-json' write 'tally/render.py', in no fixed order"
    ]
    assert {task.executor for task in plan.tasks} == {"messages"}
    assert len(lint(plan)) == 1


def test_the_plan_is_what_the_planner_schema_asks_for() -> None:
    """A real model could have said it under structured output."""
    reply = demo_script()(ModelRequest("/v1/messages", {}, {"system": PLANNER}))
    document = json.loads(reply.content[0]["text"])

    assert set(document) == {"goal", "tasks"}
    assert all(set(task) == set(PLANNED_FIELDS) for task in document["tasks"])


def test_the_repository_begins_with_a_green_gate_and_red_tests(root: Path) -> None:
    """There is work to do, and nothing is broken."""
    assert UserRepository(root).git("status", "--porcelain") == b""
    assert passes(root, GATE)
    assert not passes(root, ALL_TESTS)


def test_the_gate_stops_a_module_that_fails_its_tests(root: Path) -> None:
    """It is lenient to what is missing only."""
    (root / "tally" / "words.py").write_text("def words(text):\n    return []\n\n\nunique_words = set\n")

    assert not passes(root, GATE)


def test_the_gate_stops_code_that_does_not_compile(root: Path) -> None:
    """A syntax error anywhere is red."""
    (root / "tally" / "words.py").write_text("def (\n")

    assert not passes(root, GATE)


@pytest.mark.parametrize("is_reversed", [False, True], ids=["text first", "json first"])
def test_the_script_does_every_task_in_its_scope_and_proves_it(
    root: Path, plan: Plan, *, is_reversed: bool
) -> None:
    """After each task its acceptance and the gate are green, whichever of two free tasks comes first."""
    tasks = list(plan.tasks)
    if is_reversed:
        first, second = (
            next(i for i, t in enumerate(tasks) if t.id == name) for name in ("render-text", "render-json")
        )
        tasks[first], tasks[second] = tasks[second], tasks[first]
    for task in tasks:
        summary, written = conversation(root, task)

        assert not summary.startswith("FAILED")
        assert all(WriteScope(task.files).covers(path) for path in written)
        assert all(passes(root, list(argv)) for argv in task.acceptance), task.id
        assert passes(root, GATE), task.id
    assert passes(root, ALL_TESTS)


def test_the_two_tasks_that_share_a_file_merge_in_either_order(root: Path, plan: Plan) -> None:
    """Their changes are apart in the file: git joins them without a conflict."""
    repository = UserRepository(root)
    for name in ("render-text", "render-json"):
        repository.git("switch", "--quiet", "--create", name, "main")
        conversation(root, plan.by_id[name])
        repository.git("commit", "--quiet", "--all", f"--message={name}")

    merged = [
        repository.git("merge-tree", "--write-tree", *pair)
        for pair in (("render-text", "render-json"), ("render-json", "render-text"))
    ]

    assert merged[0] == merged[1]
    assert len(merged[0].split()) == 1  # a tree and no conflict
