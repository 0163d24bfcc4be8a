"""How a model's turns may end, and whom that is charged to."""

import re
from dataclasses import replace

import pytest
from messages_work import TASK, Serve, calls, failed, work
from worker_rig import HandClock

from swarm.sandbox.client import HostedSandbox
from swarm.states import FailureKind
from swarm.testing.script import ScriptedReply, failing, refusing, saying
from workers.agents.agent import AgentContext
from workers.agents.messages import Limits


def test_the_turn_limit_is_charged_to_the_task(
    serve: Serve, sandbox: HostedSandbox, context: AgentContext
) -> None:
    """A model that goes round in circles is stopped."""
    model = serve([calls("list_files")] * 3)

    result = work(model, sandbox, context, limits=Limits(max_turns=3))

    assert failed(result) == (FailureKind.TASK_ERROR, "used all of its 3 turns")


def test_the_token_limit_is_charged_to_the_task(
    serve: Serve, sandbox: HostedSandbox, context: AgentContext
) -> None:
    """Input and output count; what was read from the cache does not."""
    model = serve([calls("list_files")] * 3)

    result = work(model, sandbox, context, limits=Limits(max_tokens=10))

    kind, reason = failed(result)
    assert kind is FailureKind.TASK_ERROR
    assert re.fullmatch(r"used \d+ tokens of 10", reason)
    assert len(model.requests) == 1


def test_the_time_limit_is_a_timeout(serve: Serve, sandbox: HostedSandbox, context: AgentContext) -> None:
    """No turn begins after the task's time is over."""
    clock = HandClock()
    model = serve([calls("list_files"), saying("too late")])

    result = work(
        model,
        sandbox,
        replace(context, clock=clock, report_usage=lambda _: clock.sleep_s(61)),
    )

    assert failed(result) == (FailureKind.TIMEOUT, "not done within 60 s")
    assert len(model.requests) == 1


def test_a_cut_answer_is_continued_without_its_broken_tool_call(
    serve: Serve, sandbox: HostedSandbox, context: AgentContext
) -> None:
    """An incomplete call is never run and never sent back."""
    broken = {"type": "tool_use", "id": "x", "name": "write_file", "input": {"path": "hello.txt"}}
    model = serve(
        [ScriptedReply([{"type": "text", "text": "Writing"}, broken], "max_tokens"), saying("done")]
    )

    result = work(model, sandbox, context)

    assert result.failure is None
    assert [message["role"] for message in model.requests[1].body["messages"]] == [
        "user",
        "assistant",
        "user",
    ]
    assert model.requests[1].body["messages"][1]["content"] == [{"type": "text", "text": "Writing"}]
    assert not (sandbox.tree / "hello.txt").exists()


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (saying("", stop_reason="max_tokens"), "the model's answer was cut 3 times in a row"),
        (saying("  "), "the model's answer was empty 3 times in a row"),
        (ScriptedReply(), "the model's answer was empty 3 times in a row"),
    ],
)
def test_answers_that_stay_cut_or_empty_are_charged_to_the_task(
    serve: Serve, sandbox: HostedSandbox, context: AgentContext, turn: ScriptedReply, reason: str
) -> None:
    """The model is asked again twice, then the attempt ends; three answers were paid for."""
    model = serve([turn] * 3)

    result = work(model, sandbox, context)

    assert failed(result) == (FailureKind.TASK_ERROR, reason)
    assert all(len(request.body["messages"]) == 1 for request in model.requests)


@pytest.mark.parametrize(
    ("turn", "kind", "retryable"),
    [
        (refusing("I must not."), FailureKind.PROVIDER, False),
        (saying("x", stop_reason="model_context_window_exceeded"), FailureKind.TASK_ERROR, True),
        (saying("x", stop_reason="something_new"), FailureKind.PROVIDER, True),
        (saying("no call", stop_reason="tool_use"), FailureKind.PROVIDER, True),
    ],
)
def test_every_other_end_of_a_turn_has_a_stated_outcome(
    serve: Serve,
    sandbox: HostedSandbox,
    context: AgentContext,
    turn: ScriptedReply,
    kind: FailureKind,
    *,
    retryable: bool,
) -> None:
    """A refusal is not tried again; what is unknown is never taken for success."""
    result = work(serve([turn]), sandbox, context)

    assert failed(result)[0] is kind
    assert result.failure is not None
    assert result.failure.retryable is retryable


def test_a_paused_turn_is_continued(serve: Serve, sandbox: HostedSandbox, context: AgentContext) -> None:
    """The model's part is sent back as it was, and it goes on."""
    model = serve([saying("searching", stop_reason="pause_turn"), saying("done")])

    result = work(model, sandbox, context)

    assert result.summary == "done"
    assert [message["role"] for message in model.requests[1].body["messages"]] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("reply", "said", "retryable"),
    [
        (failing(529, "overloaded_error", "Overloaded", x_should_retry="false"), "529: Overloaded", True),
        (failing(402, "billing_error", "no money left"), "no money left", False),
        (failing(401, "authentication_error", "bad key"), "bad key", False),
        (failing(404, "not_found_error", "no such model"), "no such model", False),
        (ScriptedReply(raw_body=b"{"), "broke off or is not JSON", True),
    ],
)
def test_a_providers_fault_is_not_charged_and_not_repeated_here(
    serve: Serve,
    sandbox: HostedSandbox,
    context: AgentContext,
    reply: ScriptedReply,
    said: str,
    *,
    retryable: bool,
) -> None:
    """One call, one failure: no second try here, and none at all for a refused key or spent credit."""
    model = serve([reply, saying("never asked")])

    result = work(model, sandbox, context)

    kind = FailureKind.LIMIT if said == "no money left" else FailureKind.PROVIDER
    assert failed(result)[0] is kind
    assert said in failed(result)[1]
    assert result.failure is not None
    assert not result.failure.kind.is_charged
    assert result.failure.retryable is retryable
    assert len(model.requests) == 1


def test_a_model_that_is_silent_past_the_tasks_time_is_a_timeout(
    serve: Serve, sandbox: HostedSandbox, context: AgentContext
) -> None:
    """The call gets what is left of the task's time, and no more."""
    model = serve([saying("much too late", delay_s=60)] * 3)

    result = work(model, sandbox, context, task=replace(TASK, timeout_s=0.3))

    assert failed(result) == (FailureKind.TIMEOUT, "not done within 0.3 s")
