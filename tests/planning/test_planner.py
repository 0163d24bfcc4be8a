"""Planning with a scripted model: good plans, repairs, and every way it can go wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scripted import KEY, Serve

from swarm.errors import ModelUnreachableError, PlanError, UsageError
from swarm.models.client import ModelClient
from swarm.planning.planner import PlannedResult, plan_requirements
from swarm.planning.requirements import plan_text
from swarm.settings import Settings, scrubbed_environment
from swarm.testing.repository import make_repository
from swarm.testing.script import ModelRequest, ScriptedReply, failing, refusing, saying

TASKS = [
    {"id": "parse", "description": "Write parse.py", "files": ["parse.py"], "acceptance": [["true"]]},
    {
        "id": "docs",
        "description": "Write docs",
        "files": ["docs"],
        "dependencies": ["parse"],
        "acceptance": [["true"]],
    },
]
GOOD = json.dumps({"goal": "A parser", "tasks": TASKS})


def with_task(**changes: object) -> str:
    """The good plan with its last task changed."""
    return json.dumps({"goal": "A parser", "tasks": [TASKS[0], {**TASKS[1], **changes}]})


BAD_PLANS = {
    "malformed": GOOD[:-30],
    "cyclic": json.dumps([{**TASKS[0], "dependencies": ["docs"]}, TASKS[1]]),
    "dangling": with_task(dependencies=["prase"]),
    "duplicate": with_task(id="parse"),
    "itself": with_task(dependencies=["docs"]),
    "outside": with_task(files=["../docs"]),
    "endless": with_task(estimate_s=700, timeout_s=600),
    "empty": '{"goal": "x", "tasks": []}',
    "silence": "",
    "prose": "I would begin by thinking about the parser.",
    "unknown field": with_task(depends_on=[]),
}


def plan(client: ModelClient, keep: Path) -> PlannedResult:
    """Plan two lines of requirements."""
    return plan_requirements(
        "Write a parser.\nDocument it.", "2 files", client, model="claude-opus-5-5", keep=keep
    )


def test_a_good_answer_is_a_plan(serve: Serve, tmp_path: Path) -> None:
    """One call, its cost, and the answer kept as it was said."""
    model, client = serve([saying(GOOD)])

    result = plan(client, tmp_path / "said")

    assert [task.id for task in result.plan.tasks] == ["parse", "docs"]
    assert result.plan.goal == "A parser"
    assert (result.repairs, len(model.requests)) == (0, 1)
    assert result.usage == result.replies[0].usage
    assert (tmp_path / "said" / "reply-1.txt").read_text() == GOOD


def test_the_question_holds_schema_map_and_requirements(serve: Serve, tmp_path: Path) -> None:
    """Structured output is asked for, and the stable parts are marked for the cache."""
    model, client = serve([saying(GOOD)])

    plan(client, tmp_path)

    body = model.requests[0].body
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert "2 files" in body["messages"][0]["content"][0]["text"]
    assert "Write a parser.\nDocument it." in body["messages"][0]["content"][1]["text"]


@pytest.mark.parametrize("bad", BAD_PLANS.values(), ids=BAD_PLANS.keys())
def test_a_bad_plan_is_sent_back_with_its_errors_and_mended(serve: Serve, tmp_path: Path, bad: str) -> None:
    """The model sees what it said and what is wrong with it; the cost of both answers counts."""
    model, client = serve([saying(bad), saying(GOOD)])

    result = plan(client, tmp_path)

    asked = model.requests[1].body["messages"]
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    assert "The plan cannot be used:\n- $" in asked[2]["content"][0]["text"]
    assert result.repairs == 1
    assert result.usage.output_tokens == sum(reply.usage.output_tokens for reply in result.replies)


@pytest.mark.parametrize("bad", BAD_PLANS.values(), ids=BAD_PLANS.keys())
def test_a_plan_that_stays_bad_is_rejected_after_two_repairs(serve: Serve, tmp_path: Path, bad: str) -> None:
    """Three calls in all; the error lists the problems and names the file with the last answer."""
    model, client = serve(lambda _: saying(bad))

    with pytest.raises(PlanError) as caught:
        plan(client, tmp_path / "said")

    assert len(model.requests) == 3
    assert caught.value.exit_code == 2
    assert caught.value.problems
    assert str(tmp_path / "said" / "reply-3.txt") in caught.value.hint
    assert len(list((tmp_path / "said").iterdir())) == 3


def test_a_plan_in_a_fence_or_in_words_is_found(serve: Serve, tmp_path: Path) -> None:
    """Models that ignore structured output wrap their JSON."""
    _, client = serve([saying(f"Here it is:\n```json\n{GOOD}\n```\nDone."), saying(f"Sure! {GOOD} Enjoy.")])

    assert plan(client, tmp_path / "a").repairs == 0
    assert plan(client, tmp_path / "b").repairs == 0


@pytest.mark.parametrize("cut", [1, 40, 100, 200])
def test_a_cut_off_answer_is_continued_once(serve: Serve, tmp_path: Path, cut: int) -> None:
    """The rest is asked for without a schema, and both halves are one answer."""
    model, client = serve([saying(GOOD[:cut], stop_reason="max_tokens"), saying(GOOD[cut:])])

    result = plan(client, tmp_path)

    assert len(result.plan.tasks) == 2
    assert result.repairs == 0
    assert "output_config" not in model.requests[1].body


def test_a_model_that_begins_anew_is_understood(serve: Serve, tmp_path: Path) -> None:
    """Asked to go on, some send the whole again."""
    _, client = serve([saying(GOOD[:50], stop_reason="max_tokens"), saying(GOOD)])

    assert len(plan(client, tmp_path).plan.tasks) == 2


def test_an_answer_cut_off_twice_is_rejected(serve: Serve, tmp_path: Path) -> None:
    """Continued once, not for ever."""
    model, client = serve(lambda _: saying('{"goal": "', stop_reason="max_tokens"))

    with pytest.raises(PlanError, match="longer than"):
        plan(client, tmp_path)

    assert len(model.requests) == 2


def test_a_refusal_is_rejected_with_its_reason(serve: Serve, tmp_path: Path) -> None:
    """It is not asked again, and what came is kept."""
    model, client = serve([refusing("this looks like malware")])

    with pytest.raises(PlanError) as caught:
        plan(client, tmp_path)

    assert "this looks like malware" in caught.value.message
    assert len(model.requests) == 1
    assert json.loads((tmp_path / "reply-1.txt").read_text())["stop_reason"] == "refusal"


def test_a_full_context_window_is_said(serve: Serve, tmp_path: Path) -> None:
    """The way out is fewer requirements, not another try."""
    _, client = serve([saying("", stop_reason="model_context_window_exceeded")])

    with pytest.raises(PlanError, match="context window"):
        plan(client, tmp_path)


def test_a_failing_api_is_not_a_bad_plan(serve: Serve, tmp_path: Path) -> None:
    """Overload while repairing is unreachable; the first answer is still on disk."""

    def _script(request: ModelRequest) -> ScriptedReply:
        return (
            failing(529, "overloaded_error", "Overloaded", retry_after_ms="5")
            if request.turn
            else saying("?")
        )

    _, client = serve(_script)

    with pytest.raises(ModelUnreachableError):
        plan(client, tmp_path)

    assert (tmp_path / "reply-1.txt").read_text() == "?"


def test_a_truncation_at_every_byte_ends_in_a_plan_or_a_plan_error(serve: Serve, tmp_path: Path) -> None:
    """No prefix of a plan passes for one: the model says it whole, or it is rejected."""
    asked: list[int] = []

    def _script(request: ModelRequest) -> ScriptedReply:
        return saying(GOOD if request.turn else GOOD[: asked[-1]])

    _, client = serve(_script)
    for cut in range(0, len(GOOD), 9):
        asked.append(cut)
        assert plan(client, tmp_path / str(cut)).repairs == 1


def test_requirements_become_a_plan(serve: Serve, tmp_path: Path) -> None:
    """With the settings in force, on a real repository, into the project's own folder."""
    model, _ = serve([saying(GOOD)])
    root = make_repository(tmp_path / "repo", {"app.py": "def main(): ...\n"}).path
    settings = Settings(root=root, home=root / ".swarm", anthropic_api_key=KEY, anthropic_base_url=model.url)

    plan = plan_text(settings, "Write a parser.").plan

    assert len(plan.tasks) == 2
    assert "app.py 0.0k: main()" in model.requests[0].prompt
    assert (root / ".swarm" / "planning" / "0001" / "reply-1.txt").exists()


@pytest.mark.parametrize(("text", "reason"), [(" \n", "are empty"), ("x" * 2**20 + "x", "longer than")])
def test_requirements_of_no_use_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    """Nothing is sent when nothing is asked for, or far too much."""
    with pytest.raises(UsageError, match=reason):
        plan_text(Settings(root=tmp_path), text)


def test_without_a_credential_the_repository_is_not_even_mapped(tmp_path: Path) -> None:
    """The answer comes before anything that takes time: the SDK alone takes a second to import."""
    code = (
        "import sys; from pathlib import Path; from swarm.settings import Settings, scrubbed_environment\n"
        "from swarm.errors import AuthenticationError; from swarm.planning.requirements import plan_text\n"
        "try:\n    plan_text(Settings(root=Path('missing')), 'Write a parser.')\n"
        "except AuthenticationError:\n    print('anthropic' in sys.modules)"
    )

    asked = subprocess.run(
        [sys.executable, "-c", code],
        env=scrubbed_environment({"HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=True,
    )

    assert asked.stdout == "False\n"
