"""Several agents at one task, each by itself: what passes is compared, and one is handed in."""

import json
from collections import Counter

import pytest
from looked_at import (
    Authors,
    approving,
    asked,
    candidates,
    choosing,
    choosing_what_says,
    content,
    is_handed_in,
    land,
    log,
    models,
    rejecting,
    shown_as,
    task,
    work,
)
from worker_outcomes import outcome
from worker_rig import Doing, Rig

from swarm.models.usage import Usage
from swarm.plan.model import TaskSpec
from swarm.repo.hub.candidates import Candidate, candidate_ref
from swarm.sandbox.protocol import Sandbox
from swarm.states import TaskState
from swarm.testing.repository import AUTHOR
from swarm.testing.script import ModelRequest, ScriptedReply, failing
from workers.agents.agent import AgentContext, AgentResult
from workers.choosing import shuffled


@pytest.mark.parametrize("best", ["one", "two", "three"])
def test_the_one_that_the_judge_picks_is_handed_in(rig: Rig, best: str) -> None:
    """Wherever it was shown; the agents knew nothing of each other, and the rest is gone."""
    run = rig.submit(task(best_of=3))
    authors = Authors(["one", "two", "three"])

    with models(rig, judge=choosing_what_says(f"+{best}\n")) as model:
        work(rig, run, authors, until=is_handed_in(rig, run))

    assert content(rig, run) == best.encode()
    assert authors.saw == [[".git", "README.md"]] * 3
    assert authors.evidence == [""] * 3
    assert candidates(rig, run) == []
    (request,) = asked(model, "judge")
    shown = {
        word for word in ("one", "two", "three") for n in (1, 2, 3) if f"+{word}\n" in shown_as(request, n)
    }
    assert shown == {"one", "two", "three"}
    assert "chosen of 3: The clearest." in log(rig, run)
    assert rig.task(run, "t").review == ("chosen of 3: The clearest.",)


def test_the_only_one_that_passes_needs_no_judge(rig: Rig) -> None:
    """The others failed the task's own acceptance commands; that is charged to nobody."""
    run = rig.submit(task(best_of=3, acceptance=(("grep", "-q", "good", "f"),)))

    with models(rig) as model:
        work(rig, run, Authors(["bad", "good", "worse"]), until=is_handed_in(rig, run))

    assert content(rig, run) == b"good"
    assert rig.task(run, "t").failures == 0
    assert model.requests == []
    assert "candidate 1 of 3 failed: acceptance" in log(rig, run)


def test_if_none_passes_the_attempt_fails_once(rig: Rig) -> None:
    """With the last failure's evidence, and how many were tried; the next attempt is told."""
    run = rig.submit(task(best_of=2, acceptance=(("sh", "-c", "cat f; exit 1"),)))
    authors = Authors(["bad", "worse"])

    with models(rig):
        work(rig, run, authors, until=lambda: rig.task(run, "t").failures == 1)
        record, left = rig.task(run, "t"), candidates(rig, run)
        work(rig, run, authors, until=lambda: rig.task(run, "t").failures == 2)

    assert outcome(record) == (TaskState.QUEUED, "gate_failed", 1)
    assert record.failure_reason.startswith("none of 2 candidates passed; the last: acceptance")
    assert (record.evidence, left) == ("worse", [])
    assert authors.evidence[:2] == ["", ""]
    assert all("worse" in evidence for evidence in authors.evidence[2:])


def test_what_is_the_same_is_one_candidate(rig: Rig) -> None:
    """Nothing is to be chosen between equal trees, so no judge is asked."""
    run = rig.submit(task(best_of=3))

    with models(rig) as model:
        work(rig, run, Authors(["same"]), until=is_handed_in(rig, run))

    assert content(rig, run) == b"same"
    assert model.requests == []
    assert "candidate 3 of 3 is the same as candidate 1" in log(rig, run)


def test_what_was_rejected_is_not_reviewed_until_it_is_approved(rig: Rig) -> None:
    """The same tree has the same review; else two agents of one mind would get a second opinion."""
    run = rig.submit(task(best_of=3, review=True))

    with models(rig, reviewer=[rejecting(), approving(), approving()]) as model:
        work(rig, run, Authors(["same", "same", "other"]), until=is_handed_in(rig, run))

    assert content(rig, run) == b"other"
    assert len(asked(model, "reviewer")) == 2
    assert "candidate 2 of 3 is the same as candidate 1, which was reviewed" in log(rig, run)


def test_a_judge_that_does_not_answer_is_named_and_the_candidates_are_kept(rig: Rig) -> None:
    """A person's `retry` asks it again, and runs no agent."""
    run = rig.submit(task(best_of=2))

    with models(rig, judge=[failing(400, "invalid_request_error", "no")]):
        work(rig, run, Authors(["a", "b"]), until=lambda: rig.task(run, "t").state is TaskState.FAILED)

    reason = rig.task(run, "t").failure_reason
    assert reason.startswith("the judge got no answer: the model API answered 400")
    assert f"[swarm: 2 candidates wait for the judge: {reason}]\n" in log(rig, run)
    assert candidates(rig, run) == ["passed 1.1", "passed 1.2"]


def test_to_change_nothing_may_be_the_best(rig: Rig) -> None:
    """The task is done then, without a merge."""
    run = rig.submit(task(best_of=2))

    with models(rig, judge=choosing_what_says("(it changes nothing)")):
        work(rig, run, Authors(["x", None]), until=lambda: rig.task(run, "t").state is TaskState.DONE)

    assert candidates(rig, run) == []


def test_the_reviewer_looks_at_each_and_the_judge_at_what_it_approves(rig: Rig) -> None:
    """Each review sees one change."""
    run = rig.submit(task(best_of=3, review=True))

    def review(request: ModelRequest) -> ScriptedReply:
        return rejecting() if "+two" in request.prompt else approving()

    with models(rig, reviewer=review, judge=choosing_what_says("+three")) as model:
        work(rig, run, Authors(["one", "two", "three"]), until=is_handed_in(rig, run))

    assert content(rig, run) == b"three"
    assert len(asked(model, "reviewer")) == 3
    assert "+two" not in asked(model, "judge")[0].prompt


@pytest.mark.parametrize("said", ["choice 3", "no choice"])
def test_a_judge_that_picks_none_is_asked_once_more_and_charged_to_nobody(rig: Rig, said: str) -> None:
    """The candidates are kept: the next claim runs no agent, it only asks again."""
    run = rig.submit(task(best_of=2))
    authors = Authors(["one", "two"])
    bad = choosing(3) if said == "choice 3" else approving()

    with models(rig, judge=[bad, bad, bad, choosing(1)]) as model:
        work(rig, run, authors, until=lambda: rig.task(run, "t").setbacks == 1)
        record, left = rig.task(run, "t"), candidates(rig, run)
        work(rig, run, authors, until=is_handed_in(rig, run))

    assert outcome(record) == (TaskState.QUEUED, "provider", 0)
    assert record.failure_reason.startswith("the judge's answer cannot be used: ")
    assert f"[swarm: 2 candidates wait for the judge: {record.failure_reason}]" in log(rig, run)
    assert left == ["passed 1.1", "passed 1.2"]
    assert len(authors.saw) == 2
    assert len(asked(model, "judge")) == 4
    assert candidates(rig, run) == []


def test_a_worker_that_dies_in_between_loses_only_what_was_not_durable(rig: Rig) -> None:
    """The first agent's work is taken up; the second, whose worker broke, begins anew."""
    run = rig.submit(task(best_of=2))
    began: list[str] = []

    def act(_task: TaskSpec, sandbox: Sandbox, _context: AgentContext) -> AgentResult:
        began.append(str(len(began) + 1))
        if began == ["1", "2"]:
            raise ZeroDivisionError
        (sandbox.tree / "f").write_text(f"agent {began[-1]}")
        return AgentResult()

    with models(rig, judge=choosing_what_says("+agent 1")):
        work(rig, run, Doing(act), until=is_handed_in(rig, run))

    assert began == ["1", "2", "3"]
    assert content(rig, run) == b"agent 1"
    assert "candidate 1 of 2 taken up, as it had passed before" in log(rig, run, 2)


def test_candidates_that_a_person_wants_forgotten_are_not_taken_up(rig: Rig) -> None:
    """`retry --fresh`: all agents work again, whatever an earlier worker left in the hub."""
    run = rig.submit(task(best_of=2))
    worker = rig.worker()
    assert worker.engine.claim(worker.profile, "lost") is not None
    tree = f"{rig.base}^{{tree}}"
    old = rig.hub.git.run("commit-tree", tree, "-p", rig.base, "-m", "x", env=AUTHOR).decode().strip()
    rig.hub.create_refs({candidate_ref(run, "t", 1, number, has_passed=True): old for number in (1, 2)})
    rig.engine.cancel(run)
    authors = Authors(["x"])

    rig.engine.retry(run, "t", fresh=True)
    with models(rig):
        work(rig, run, authors, until=is_handed_in(rig, run))

    assert len(authors.saw) == 2
    assert content(rig, run) == b"x"


def test_what_all_of_it_costs_is_counted_on_the_task(rig: Rig) -> None:
    """Every agent, also those that were not chosen, and the judge."""
    run = rig.submit(task(best_of=3))

    with models(rig, judge=[choosing(2)]):
        authors = Authors(["one", "two", "three"], usage=Usage(1000, 100, 5, 7))
        work(rig, run, authors, until=is_handed_in(rig, run))
        land(rig)

    usage = rig.task(run, "t").usage
    assert usage.input_tokens > 3000
    assert usage.output_tokens > 300
    assert usage.cost_microusd > 21


def test_an_agent_that_wants_the_task_expanded_has_its_way_when_no_other_passes(rig: Rig) -> None:
    """Work that passes is worth more than a wish; without any, the wish is the outcome."""
    rows = json.dumps([{"id": "part", "description": "x"}])

    def act(asked_for: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        if not began:
            began.append(asked_for.id)
            return AgentResult(expansion=context.expand(rows))
        (sandbox.tree / "f").write_text("x")
        return AgentResult()

    began: list[str] = []
    wished = rig.submit(task(best_of=2, acceptance=(("false",),)))
    with models(rig):
        work(rig, wished, Doing(act), until=lambda: rig.task(wished, "t").state is TaskState.PENDING)
        began.clear()
        worked = rig.submit(task(best_of=2))
        work(rig, worked, Doing(act), until=is_handed_in(rig, worked))

    assert content(rig, worked) == b"x"


def test_the_order_before_the_judge_is_decided_by_the_seed_alone() -> None:
    """The same for the same attempt, and over many attempts everybody is first about as often."""
    made = [Candidate(number, f"c{number}") for number in (1, 2, 3)]

    assert shuffled(made, seed="run/t/1") == shuffled(list(reversed(made)), seed="run/t/1")
    first = Counter(shuffled(made, seed=f"run/t/{number}")[0].number for number in range(900))
    assert min(first.values()) > 250
    assert sorted(one.number for one in shuffled(made, seed="run/t/1")) == [1, 2, 3]


def test_the_judge_is_shown_the_candidates_in_that_order(rig: Rig) -> None:
    """And what it names by its number there is what is handed in."""
    run = rig.submit(task(best_of=5))
    words = ["one", "two", "three", "four", "five"]

    with models(rig, judge=[choosing(2)]) as model:
        work(rig, run, Authors(words), until=is_handed_in(rig, run))

    made = [Candidate(number, None) for number in range(1, 6)]
    order = [words[one.number - 1] for one in shuffled(made, seed=f"{run}/t/1")]
    (request,) = asked(model, "judge")
    assert all(f"+{word}\n" in shown_as(request, number) for number, word in enumerate(order, 1))
    assert order != words
    assert content(rig, run) == order[1].encode()


def test_a_provider_that_fails_in_between_ends_the_attempt_uncharged(rig: Rig) -> None:
    """The candidates that passed wait for the next claim; no further agent is run meanwhile."""
    run = rig.submit(task(best_of=2, review=True))
    authors = Authors(["one", "two"])
    down = failing(400, "invalid_request_error", "down")

    with models(rig, reviewer=[approving(), down]):
        work(rig, run, authors, until=lambda: rig.task(run, "t").state is TaskState.FAILED)

    assert outcome(rig.task(run, "t")) == (TaskState.FAILED, "provider", 0)
    assert candidates(rig, run) == ["candidate 1.2", "passed 1.1"]
