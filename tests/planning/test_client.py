"""The model client against a scripted model: answers, costs, and every way to fail."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from model_requests import MODEL, TOOL, ask
from scripted import KEY, Serve

from swarm.errors import (
    AuthenticationError,
    ConfigError,
    LimitReachedError,
    ModelRequestError,
    ModelUnreachableError,
    SwarmError,
)
from swarm.models.client import ModelClient
from swarm.models.prices import price_of
from swarm.models.tiers import model_for
from swarm.settings import Settings
from swarm.testing.script import ScriptedReply, failing, refusing, saying, using

SOON = {"retry_after_ms": "5"}
OVERLOADED = failing(529, "overloaded_error", "Overloaded", **SOON)
LIMITED = failing(429, "rate_limit_error", "slow down", **SOON)
BROKEN = failing(500, "api_error", "oops", **SOON)


def test_an_answer_comes_with_its_text_and_its_cost(serve: Serve) -> None:
    """Text, stop reason, tokens, and the price of exactly those tokens."""
    _, client = serve([saying("hello yourself")])

    reply = ask(client)

    assert (reply.text, reply.stop_reason, reply.usage.is_priced) == ("hello yourself", "end_turn", True)
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0
    assert reply.usage.cost_microusd > 0


def test_the_second_question_reads_its_beginning_from_the_cache(serve: Serve) -> None:
    """Cached input is counted apart and costs less."""
    _, client = serve([saying("one"), saying("one")])

    first, second = ask(client), ask(client)

    assert first.usage.cache_read_tokens == 0
    assert second.usage.cache_read_tokens > 0
    assert second.usage.cost_microusd < first.usage.cost_microusd


def test_a_tool_call_arrives_as_json(serve: Serve) -> None:
    """Blocks are plain JSON, ready to be sent back in the next turn."""
    model, client = serve([using("read_file", {"path": "a", "deep": {"none": None}}, say="Looking.")])

    reply = ask(client)

    text, call = reply.content
    assert (text["text"], call["name"], call["input"]) == (
        "Looking.",
        "read_file",
        {"path": "a", "deep": {"none": None}},
    )
    assert reply.stop_reason == "tool_use"
    assert model.requests[0].body["tools"] == [TOOL]


def test_a_schema_is_sent_as_structured_output(serve: Serve) -> None:
    """`output_schema` becomes the API's output_config."""
    model, client = serve([saying("{}")])
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}

    client.create(model=MODEL, system="s", messages=[], max_tokens=10, output_schema=schema)

    assert model.requests[0].body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


@pytest.mark.parametrize("failure", [OVERLOADED, LIMITED, BROKEN], ids=["529", "429", "500"])
def test_a_passing_failure_is_retried_by_the_sdk(serve: Serve, failure: ScriptedReply) -> None:
    """Two failures and an answer are an answer."""
    model, client = serve([failure, failure, saying("at last")])

    assert ask(client).text == "at last"
    assert len(model.requests) == 3


@pytest.mark.parametrize(("failure", "status"), [(OVERLOADED, "529"), (LIMITED, "429"), (BROKEN, "500")])
def test_a_lasting_failure_is_unreachable_after_the_sdks_three_tries(
    serve: Serve, failure: ScriptedReply, status: str
) -> None:
    """The SDK's retries are not wrapped in more of them."""
    model, client = serve(lambda _: failure)

    with pytest.raises(ModelUnreachableError) as caught:
        ask(client)

    assert status in caught.value.message
    assert len(model.requests) == 3


def test_how_long_to_wait_is_handed_on(serve: Serve) -> None:
    """Who governs the fleet learns the last `retry-after`."""
    _, client = serve(
        lambda _: failing(429, "rate_limit_error", "slow down", retry_after="7", retry_after_ms="5")
    )

    with pytest.raises(ModelUnreachableError) as caught:
        ask(client)

    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize(
    "failure",
    [
        failing(429, "rate_limit_error", "limit", code="enforced_spend_limit_reached", **SOON),
        failing(429, "rate_limit_error", "limit", code="contract_spend_limit_reached", **SOON),
        failing(402, "billing_error", "no payment method"),
        failing(400, "invalid_request_error", "Your credit balance is too low to access the API."),
    ],
    ids=["enforced", "contract", "billing", "credit"],
)
def test_a_spent_quota_ends_it_at_the_first_call(serve: Serve, failure: ScriptedReply) -> None:
    """Money that is gone does not come back by asking again: one request, exit code 7."""
    model, client = serve(lambda _: failure)

    with pytest.raises(LimitReachedError) as caught:
        ask(client)

    assert caught.value.exit_code == 7
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (failing(403, "permission_error", "not yours"), AuthenticationError),
        (failing(404, "not_found_error", "model: claude-nothing"), ModelRequestError),
        (failing(400, "invalid_request_error", "prompt is too long"), ModelRequestError),
        (failing(413, "invalid_request_error", "request too large"), ModelRequestError),
    ],
    ids=["403", "404", "400", "413"],
)
def test_a_wrong_request_is_told_apart(serve: Serve, failure: ScriptedReply, kind: type[SwarmError]) -> None:
    """What no retry mends is asked once, and the API's own words are kept."""
    model, client = serve(lambda _: failure)

    with pytest.raises(kind) as caught:
        ask(client)

    assert failure.error_message in caught.value.message
    assert len(model.requests) == 1


def test_a_refused_key_is_an_authentication_error(serve: Serve) -> None:
    """The message says what to set, and holds no key."""
    model, _ = serve([])
    wrong = Settings(anthropic_api_key="wrong-key", anthropic_base_url=model.url)

    with ModelClient(wrong) as client, pytest.raises(AuthenticationError) as caught:
        ask(client)

    assert caught.value.exit_code == 4
    assert "ANTHROPIC_API_KEY" in caught.value.hint
    assert "wrong-key" not in str(caught.value)


def test_a_token_is_as_good_as_a_key(serve: Serve) -> None:
    """Endpoints such as Ollama's take ANTHROPIC_AUTH_TOKEN."""
    model, _ = serve([saying("ok")])

    with ModelClient(Settings(anthropic_auth_token=KEY, anthropic_base_url=model.url)) as client:
        assert ask(client).text == "ok"


def test_a_key_with_a_newline_in_it_is_refused_without_being_shown() -> None:
    """Nothing is sent, and the key is in no message."""
    with pytest.raises(AuthenticationError) as caught:
        ask(ModelClient(Settings(anthropic_api_key="sk-\nsecret")))

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://[::1", "http://a:b:c"])
def test_an_address_that_is_none_is_a_matter_of_the_configuration(url: str) -> None:
    """It is said at once, and no defect of ours."""
    with pytest.raises(ConfigError, match="ANTHROPIC_BASE_URL"):
        ask(ModelClient(Settings(anthropic_api_key=KEY, anthropic_base_url=url)))


def test_without_a_key_nothing_is_sent(tmp_path: Path) -> None:
    """In an environment with no credential at all the answer is what to set, with exit code 4."""
    program = (
        "from swarm.models.client import ModelClient\n"
        "from swarm.settings import Settings\n"
        "from swarm.errors import AuthenticationError\n"
        "try:\n"
        "    ModelClient(Settings()).create(model='m', system='s', messages=[], max_tokens=1)\n"
        "except AuthenticationError as error:\n"
        "    print(error.exit_code, error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("4 set ANTHROPIC_API_KEY")


def test_a_refusal_is_a_reply_with_its_explanation(serve: Serve) -> None:
    """The caller decides what a refusal means for its task."""
    _, client = serve([refusing("not that")])

    reply = ask(client)

    assert (reply.stop_reason, reply.explanation, reply.content) == ("refusal", "not that", [])


def test_an_answer_cut_at_max_tokens_is_a_reply(serve: Serve) -> None:
    """Half an answer keeps its text and its usage."""
    _, client = serve([saying("half an", stop_reason="max_tokens")])

    reply = ask(client)

    assert (reply.stop_reason, reply.text) == ("max_tokens", "half an")


def test_one_client_serves_many_threads(serve: Serve) -> None:
    """Twenty questions at once get twenty answers."""
    model, client = serve(lambda _: saying("ok", delay_s=0.02))

    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: ask(client).text, range(20)))

    assert replies == ["ok"] * 20
    assert len(model.requests) == 20


def test_the_stream_says_the_same_as_the_plain_answer(serve: Serve) -> None:
    """Agents that stream, such as the Claude CLI, get the same content from the same script."""
    import anthropic  # noqa: PLC0415

    model, _ = serve(lambda _: using("edit_file", {"path": "ä", "old": "x" * 90}, say="Editing this file."))
    sdk = anthropic.Anthropic(api_key=KEY, base_url=model.url)
    with sdk.messages.stream(
        model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "go"}]
    ) as stream:
        streamed = stream.get_final_message()
    plain = sdk.messages.create(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "go"}])
    counted = sdk.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "go"}])
    sdk.close()

    assert [b.to_dict() | {"id": ""} for b in streamed.content] == [
        b.to_dict() | {"id": ""} for b in plain.content
    ]
    assert (streamed.stop_reason, streamed.usage.output_tokens) == (
        plain.stop_reason,
        plain.usage.output_tokens,
    )
    assert counted.input_tokens > 0


def test_a_model_without_a_price_costs_nothing_and_says_so(serve: Serve) -> None:
    """Local models have no price; the report can tell that from a price of zero."""
    _, client = serve([saying("ok")])

    reply = ask(client, model="qwen3:8b")

    assert (reply.usage.cost_microusd, reply.usage.is_priced) == (0, False)


def test_prices_are_in_millionths_of_a_dollar() -> None:
    """A million tokens in and out of each tier's model, as published."""
    million = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}

    assert price_of("claude-sonnet-5-5", **million) == 12_000_000
    assert price_of("claude-opus-5-5", **million) == 24_000_000


def test_a_tier_names_a_model_from_the_settings() -> None:
    """Ids are in the settings, never in code."""
    settings = Settings(model_cheap="tiny", model_top="")

    assert model_for("cheap", settings) == "tiny"
    with pytest.raises(ConfigError, match="model_top is empty"):
        model_for("top", settings)
    with pytest.raises(ConfigError, match="unknown tier 'huge'"):
        model_for("huge", settings)
