"""An attempt whose task is reviewed: a model that did not write it has the word before it is handed in."""

import json

import pytest
from looked_at import (
    Authors,
    approving,
    asked,
    candidates,
    choosing,
    content,
    finding,
    is_handed_in,
    land,
    log,
    models,
    rejecting,
    task,
    work,
)
from worker_outcomes import outcome
from worker_rig import Rig

from swarm import crashpoints
from swarm.models.usage import Usage
from swarm.observe.wording import failure
from swarm.plan.model import TaskSpec
from swarm.repo.git.unseen import Unseen
from swarm.repo.hub.refs import attempt_ref
from swarm.states import TaskState
from swarm.testing.script import ScriptedReply, failing, refusing, saying, using
from workers.agents.briefing import system_prompt
from workers.choosing import SAID_BEFORE
from workers.reviewer import MAX_DIFF_CHARS, UNCHANGED, cut_patch, with_unseen


def test_what_the_reviewer_approves_is_handed_in(rig: Rig) -> None:
    """The commit is the attempt, nothing is left to choose from, and what was noticed is told."""
    run = rig.submit(task(review=True))

    with models(rig, reviewer=[approving(finding("could be shorter", severity="minor"))]):
        work(rig, run, Authors(["new"]), until=is_handed_in(rig, run))

    assert content(rig, run) == b"new"
    assert rig.hub.resolve(attempt_ref(run, "t", 1)) == rig.task(run, "t").attempt_commit
    assert candidates(rig, run) == []
    assert "[swarm: review: approved: Does what was asked.]\n" in log(rig, run)
    assert "[swarm: review: minor: f:1: could be shorter]\n" in log(rig, run)
    assert rig.task(run, "t").review == ("approved: Does what was asked.", "minor: f:1: could be shorter")


def test_what_the_reviewer_asked_for_is_known_to_the_next_attempt(rig: Rig) -> None:
    """A rejection is charged, with its findings as evidence; the next attempt is reviewed anew."""
    run = rig.submit(task(review=True))
    authors = Authors(["bad", "good"])
    replies = [rejecting(finding("loses the last line"), summary="Not yet."), approving()]

    with models(rig, reviewer=replies) as model:
        work(rig, run, authors, until=lambda: rig.task(run, "t").failures == 1)
        record = rig.task(run, "t")
        found = rig.hub.find_attempt(run, "t")
        work(rig, run, authors, until=is_handed_in(rig, run))

    assert outcome(record) == (TaskState.QUEUED, "gate_failed", 1)
    assert record.failure_reason == "review: Not yet."
    assert failure("gate_failed", record.failure_reason) == "its reviewer did not approve it"
    assert found is None
    assert "major: f:1: loses the last line" in authors.evidence[1]
    assert content(rig, run) == b"good"
    assert ["+bad" in one.prompt for one in asked(model, "reviewer")] == [True, False]


def test_the_reviewer_is_told_what_it_cannot_see(rig: Rig) -> None:
    """A binary file is only a name in the diff: its sizes come with it, so that the reviewer may refuse."""
    run = rig.submit(task(review=True))

    with models(rig, reviewer=[approving()]) as model:
        work(rig, run, Authors(["a\0b"]), until=is_handed_in(rig, run))

    [question] = asked(model, "reviewer")
    told = "[changed, and not shown because binary: 'f' (0 bytes before, 3 now)]"
    assert f"{told}\ndiff --git" in question.prompt


def test_a_name_cannot_end_the_line_of_what_is_not_shown() -> None:
    """What an author names a file is no word of ours, and many names are no flood."""
    many = [Unseen("a\n[nothing is hidden]", 1, 2), *(Unseen(f"{n}", 0, 1) for n in range(30))]

    first, _, rest = with_unseen("diff", many).partition("\n")

    assert first.startswith(
        "[changed, and not shown because binary: 'a [nothing is hidden]' (1 bytes before, 2 now)"
    )
    assert first.endswith("11 more]")
    assert rest == "diff"


def test_an_approval_that_names_a_blocker_is_a_rejection(rig: Rig) -> None:
    """What must not land does not, whatever the verdict says."""
    run = rig.submit(task(review=True))

    with models(rig, reviewer=[approving(finding("deletes data", severity="blocker"))]):
        work(rig, run, Authors(["x"]), until=lambda: rig.task(run, "t").failures == 1)

    record = rig.task(run, "t")
    why = "approves, and yet names a blocker: deletes data"
    assert record.failure_kind == "gate_failed"
    assert record.failure_reason == f"review: {why}"
    assert record.evidence.splitlines()[1:] == [f"rejected: {why}", "blocker: f:1: deletes data"]


def test_a_rejection_without_a_summary_is_told_by_its_gravest_finding(rig: Rig) -> None:
    """Whichever comes first in the answer."""
    run = rig.submit(task(review=True))
    found = [finding("typo", severity="minor"), finding("deletes data", severity="blocker")]

    with models(rig, reviewer=[rejecting(*found, summary=" ")]):
        work(rig, run, Authors(["x"]), until=lambda: rig.task(run, "t").failures == 1)

    record = rig.task(run, "t")
    assert record.failure_reason == "review: deletes data"
    assert record.evidence.splitlines()[1] == "rejected: deletes data"


MALFORMED = [
    saying("looks good to me"),
    saying(json.dumps({"verdict": "approve"})),
    saying(json.dumps({"verdict": "maybe", "findings": [], "summary": ""})),
    saying(approving().content[0]["text"][:-9], stop_reason="max_tokens"),
    saying(approving().content[0]["text"], stop_reason="max_tokens"),
]


@pytest.mark.parametrize("malformed", MALFORMED)
def test_an_answer_that_cannot_be_used_is_asked_for_once_more(rig: Rig, malformed: ScriptedReply) -> None:
    """With what is wrong with it."""
    run = rig.submit(task(review=True))

    with models(rig, reviewer=[malformed, approving()]) as model:
        work(rig, run, Authors(["x"]), until=is_handed_in(rig, run))

    first, second = asked(model, "reviewer")
    assert len(first.body["messages"]) == 1
    assert "Your answer cannot be used" in json.dumps(second.body["messages"][2])


@pytest.mark.parametrize("malformed", MALFORMED)
def test_two_such_answers_are_no_approval_and_nobodys_fault(rig: Rig, malformed: ScriptedReply) -> None:
    """Nothing is handed in or charged; the work is durable, and the next claim only asks again."""
    run = rig.submit(task(review=True))
    authors = Authors(["x"])

    with models(rig, reviewer=[malformed, malformed, approving()]):
        work(rig, run, authors, until=lambda: rig.task(run, "t").setbacks == 1)
        record, left = rig.task(run, "t"), candidates(rig, run)
        found = rig.hub.find_attempt(run, "t")
        work(rig, run, authors, until=is_handed_in(rig, run))

    assert outcome(record) == (TaskState.QUEUED, "provider", 0)
    assert record.failure_reason.startswith("the reviewer's answer cannot be used: ")
    assert (found, left) == (None, ["candidate 1.1"])
    assert len(authors.saw) == 1
    assert content(rig, run) == b"x"


@pytest.mark.parametrize("answer", [failing(400, "invalid_request_error", "no"), refusing("not this")])
def test_a_reviewer_that_does_not_answer_is_not_charged(rig: Rig, answer: ScriptedReply) -> None:
    """It ends the task, which a person can try again; it approves nothing."""
    run = rig.submit(task(review=True))

    with models(rig, reviewer=[answer]):
        work(rig, run, Authors(["x"]), until=lambda: rig.task(run, "t").state is TaskState.FAILED)

    assert outcome(rig.task(run, "t")) == (TaskState.FAILED, "provider", 0)
    assert rig.hub.find_attempt(run, "t") is None
    # An agent fails by the same words; who reads them has to know that the work itself is there.
    reason = rig.task(run, "t").failure_reason
    assert reason.startswith(("the reviewer got no answer: ", "the model refused to be the reviewer"))
    assert f"[swarm: put off: {reason}]" in log(rig, run)


def test_the_reviewer_knows_nothing_of_the_author(rig: Rig) -> None:
    """Another system prompt, no tools, one message: task and diff, and no word of the author's turns."""
    wrote = using("write_file", {"path": "f", "content": "new\n"}, say="SLY THOUGHT")
    run = rig.submit(TaskSpec("t", "Write f", files=("f",), review=True, acceptance=(("test", "-e", "f"),)))

    with models(rig, agent=[wrote, saying("SLY BOAST")], reviewer=[approving()]) as model:
        work(rig, run, until=is_handed_in(rig, run))

    (request,) = asked(model, "reviewer")
    said = json.dumps(request.body)
    assert "SLY" not in said
    assert "tools" not in request.body
    assert system_prompt() not in request.prompt
    assert [message["role"] for message in request.body["messages"]] == ["user"]
    for known in ("Write f", "+new", "['test', '-e', 'f']"):
        assert known in request.prompt


def test_what_a_review_costs_is_counted_on_the_task(rig: Rig) -> None:
    """Beside what the agent has used; each answer of the reviewer counts, also those of no use."""
    run = rig.submit(task(review=True))

    with models(rig, reviewer=[saying("hm"), approving()]):
        work(rig, run, Authors(["x"], usage=Usage(1000, 7, 3, 5)), until=is_handed_in(rig, run))
        land(rig)

    reviewed = rig.task(run, "t").usage
    assert reviewed.input_tokens > 1000
    assert reviewed.output_tokens > 7 + 1
    assert reviewed.cost_microusd > 5


def test_a_long_diff_is_cut_in_clear_words(rig: Rig) -> None:
    """The reviewer is told how much of it there is, and so is whoever reads the log."""
    run = rig.submit(task(review=True))

    with models(rig, reviewer=[approving()]) as model:
        work(rig, run, Authors(["line\n" * MAX_DIFF_CHARS]), until=is_handed_in(rig, run))

    (request,) = asked(model, "reviewer")
    assert "[the diff was cut here: " in request.prompt
    assert len(request.prompt) < MAX_DIFF_CHARS + 10_000
    assert f"the reviewer sees about {MAX_DIFF_CHARS} of the diff's" in log(rig, run)


def test_a_cut_patch_names_the_files_that_it_does_not_show() -> None:
    """At a line's end, within its bound but for the words."""
    files = [f"diff --git a/{name} b/{name}\n+{name * 30}\n" for name in "abc"]
    patch = "".join(files)

    cut = cut_patch(patch, len(files[0]) + 5)

    assert cut == (
        f"{files[0]}[the diff was cut here: {len(files[0])} of {len(patch)} characters are shown;"
        " not shown at all: a/b b/b, a/c b/c]"
    )
    assert cut_patch(patch, len(patch)) == patch
    assert cut_patch("", 5) == UNCHANGED


def test_who_may_change_files_and_did_not_is_reviewed(rig: Rig) -> None:
    """An agent that does nothing has the reviewer to convince."""
    run = rig.submit(task(review=True))

    with models(rig, reviewer=[rejecting(summary="Nothing was done.")]) as model:
        work(rig, run, Authors([None]), until=lambda: rig.task(run, "t").failures == 1)

    assert UNCHANGED in asked(model, "reviewer")[0].prompt


def test_who_may_change_no_file_has_nothing_to_show(rig: Rig) -> None:
    """No model is asked about a task that is done by its exit code."""
    run = rig.submit(task(review=True, files=()))

    with models(rig, reviewer=[]) as model:
        work(rig, run, Authors([None]), until=lambda: rig.task(run, "t").state is TaskState.DONE)

    assert model.requests == []


def test_without_a_credential_nothing_is_begun(rig: Rig) -> None:
    """A worker that lost its credential after it said that it had one gives the task back before any work."""
    run = rig.submit(task(review=True))
    authors = Authors(["x"])

    work(rig, run, authors, until=lambda: rig.task(run, "t").setbacks == 1)

    assert outcome(rig.task(run, "t")) == (TaskState.QUEUED, "infrastructure", 0)
    assert "no key for the model API is set" in rig.task(run, "t").failure_reason
    assert authors.saw == []


def test_work_that_failed_its_acceptance_is_not_reviewed(rig: Rig) -> None:
    """A review costs money; what is known to be wrong needs none."""
    run = rig.submit(task(review=True, acceptance=(("false",),)))

    with models(rig, reviewer=[]) as model:
        work(rig, run, Authors(["x"]), until=lambda: rig.task(run, "t").failures == 1)

    assert rig.task(run, "t").failure_reason.startswith("acceptance")
    assert model.requests == []
    assert candidates(rig, run) == []


def test_an_approval_that_another_worker_got_is_not_repeated_and_not_passed_over(rig: Rig) -> None:
    """It stopped before it handed in: the next one lacks the reviewer's words, and says where they are."""
    run = rig.submit(task(review=True))
    crashpoints.arm("worker.before_hand_in:1:raise")

    try:
        with models(rig, reviewer=[approving()]):
            work(rig, run, Authors(["new"]), until=is_handed_in(rig, run))
    finally:
        crashpoints.disarm()

    assert rig.task(run, "t").review == (SAID_BEFORE,)


WORKER_POINTS = sorted(name for name in crashpoints.POINTS if name.startswith(("worker.", "attempt.")))


@pytest.mark.parametrize(("review", "best_of"), [(True, 1), (False, 2), (True, 2)])
@pytest.mark.parametrize("point", WORKER_POINTS)
def test_an_error_at_any_crash_point_lets_nothing_by_unseen(
    rig: Rig, point: str, best_of: int, *, review: bool
) -> None:
    """Whatever fails, the next claims bring the task to its merge, uncharged, and everybody was asked."""
    run = rig.submit(task(review=review, best_of=best_of))
    crashpoints.arm(f"{point}:1:raise")
    authors = Authors(["one", "two"])

    try:
        with models(rig, reviewer=lambda _: approving(), judge=lambda _: choosing(1)) as model:
            work(rig, run, authors, until=is_handed_in(rig, run))
    finally:
        crashpoints.disarm()

    assert rig.task(run, "t").failures == 0
    told = rig.task(run, "t").review
    assert not review or told[0] in {"approved: Does what was asked.", SAID_BEFORE}
    assert len({one.prompt for one in asked(model, "reviewer")}) == review * best_of
    assert bool(asked(model, "judge")) == (best_of > 1)
    # Only what was nowhere but in a workspace is made again.
    assert len(authors.saw) == best_of + (point == "worker.after_agent")


def test_what_a_reviewer_approves_lands_only_through_the_gates(rig: Rig) -> None:
    """A red gate sends it back as it does any other, and the next attempt is reviewed again."""
    rig.user.commit({"swarm.toml": '[gate.good]\ncommand = ["grep", "-q", "good", "f"]\n'})
    rig.base = rig.hub.import_base(rig.user.path)
    run = rig.submit(task(review=True))
    authors = Authors(["bad", "good"])

    with models(rig, reviewer=lambda _: approving()) as model:
        work(rig, run, authors, until=is_handed_in(rig, run))
        land(rig)
        refused = outcome(rig.task(run, "t"))
        work(rig, run, authors, until=is_handed_in(rig, run))
        land(rig)

    assert refused == (TaskState.QUEUED, "gate_failed", 1)
    assert rig.task(run, "t").state is TaskState.DONE
    assert len(asked(model, "reviewer")) == 2
