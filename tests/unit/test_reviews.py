"""Who looks at attempts, as plans and settings say it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from plan_documents import problems_of

from swarm.errors import AuthenticationError, ConfigError
from swarm.plan.document import dump_plan, parse_plan
from swarm.plan.expansion import read_expansion
from swarm.plan.lint import lint
from swarm.plan.model import Plan, TaskSpec, with_reviews
from swarm.settings import Settings, load_settings
from swarm.submitting import check_executors
from workers.agents import known_agents

COMMAND = TaskSpec("t", "do it", executor="command", command=("true",))


def test_a_plan_says_it_of_each_task() -> None:
    """Kept by a round trip; not said is neither yes nor no."""
    rows = [
        {"id": "a", "description": "x", "review": True, "best_of": 3},
        {"id": "b", "description": "y", "review": False},
        {"id": "c", "description": "z"},
    ]

    plan = parse_plan(json.dumps(rows))

    assert [(task.review, task.best_of) for task in plan.tasks] == [(True, 3), (False, 1), (None, 1)]
    assert parse_plan(dump_plan(plan)) == plan


@pytest.mark.parametrize(
    ("field", "value"),
    [("best_of", 0), ("best_of", 6), ("best_of", True), ("best_of", 1.5), ("review", "yes")],
)
def test_what_means_nothing_is_refused_at_its_place(field: str, value: object) -> None:
    """One to five agents; a review is wanted or not."""
    assert list(problems_of([{"id": "a", "description": "x", field: value}])) == [f"$[0].{field}"]


def test_a_command_may_be_tried_several_times() -> None:
    """Commands need not do the same each time: the linter says nothing against it."""
    assert lint(Plan((replace(COMMAND, best_of=2, review=True),))) == []


def test_the_default_is_for_tasks_that_do_not_say() -> None:
    """A plan's own word stands against it."""
    plan = Plan(tuple(replace(COMMAND, id=str(said), review=said) for said in (True, False, None)))

    assert [task.review for task in with_reviews(plan, by_default=True).tasks] == [True, False, True]
    assert with_reviews(plan, by_default=True).by_id["None"].review is True
    assert with_reviews(plan, by_default=False) is plan


def test_a_part_of_a_reviewed_task_is_reviewed() -> None:
    """A task does not get out of its review by becoming several; each of them has one agent."""
    whole = replace(COMMAND, review=True, best_of=3)

    (part,) = read_expansion('[{"id": "a", "description": "x"}]', whole).tasks

    assert (part.review, part.best_of) == (True, 1)


@pytest.mark.parametrize(
    ("task", "why"),
    [
        (replace(COMMAND, review=True), "its review"),
        (replace(COMMAND, best_of=2), "the judge of `best_of` 2"),
    ],
)
def test_a_command_that_a_model_looks_at_needs_a_credential(task: TaskSpec, why: str) -> None:
    """Said when the plan is submitted, with what it is for."""
    with pytest.raises(AuthenticationError, match=why):
        check_executors([task], Settings())

    check_executors([task], Settings(anthropic_api_key="k"))
    check_executors([task], Settings(anthropic_base_url="http://localhost"))
    check_executors([replace(task, review=False, best_of=1)], Settings())


def test_a_worker_offers_to_have_commands_looked_at_where_it_has_a_model() -> None:
    """What it offers decides what it is given: a key or an endpoint, and a plan that asks for it."""
    reviewed = replace(COMMAND, review=True).executor_needed

    assert reviewed not in known_agents(Settings())
    assert reviewed in known_agents(Settings(anthropic_api_key="k"))
    assert reviewed in known_agents(Settings(anthropic_base_url="http://localhost"))
    assert {COMMAND.executor_needed, replace(COMMAND, review=False).executor_needed} == {"command"}
    assert TaskSpec("m", "think", review=True).executor_needed == "messages"


@pytest.mark.parametrize(
    ("text", "value"),
    [("review = true", True), ("review = false", False), ('review = "true"', True), ("", False)],
)
def test_swarm_toml_says_what_the_default_is(tmp_path: Path, text: str, value: object) -> None:
    """As TOML has it, or as text."""
    (tmp_path / "swarm.toml").write_text(text)

    assert load_settings(tmp_path).review is value


def test_a_flag_beats_swarm_toml_and_reaches_child_processes(tmp_path: Path) -> None:
    """As the variable that they read."""
    (tmp_path / "swarm.toml").write_text("review = true")

    settings = load_settings(tmp_path, {"review": False})

    assert settings.review is False
    assert settings.flags_as_environment() == {"SWARM_REVIEW": "False"}


@pytest.mark.parametrize("text", ["review = 1", 'review = "yes"', "review = []"])
def test_what_is_neither_true_nor_false_is_refused(tmp_path: Path, text: str) -> None:
    """With where it stands."""
    (tmp_path / "swarm.toml").write_text(text)

    with pytest.raises(ConfigError, match=r"swarm.toml: review must be of type bool"):
        load_settings(tmp_path)
