"""Connections that are cut, malformed, silent or not there: never half an answer."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from model_requests import MODEL, ask
from scripted import Serve

from swarm.errors import (
    ModelUnreachableError,
)
from swarm.models.client import ModelClient
from swarm.settings import Settings
from swarm.testing.script import ModelRequest, ScriptedReply, saying, using
from swarm.testing.scripted_model import ScriptedModel
from swarm.testing.wire import message_body


def test_a_connection_cut_anywhere_is_never_half_an_answer(serve: Serve) -> None:
    """The connection ends after N bytes of the body, for many N: unreachable each time, never a reply."""
    whole = using("write_file", {"path": "a", "content": "x" * 200}, say="Writing.")
    cuts = [*range(0, 60, 6), *range(60, 600, 30)]

    def _cut(request: ModelRequest) -> ScriptedReply:
        return ScriptedReply(
            whole.content, whole.stop_reason, cut_after_bytes=int(request.prompt.split()[-1])
        )

    _, client = serve(_cut)

    def _outcome(cut: int) -> str:
        try:
            messages = [{"role": "user", "content": f"cut after {cut}"}]
            return str(client.create(model=MODEL, system="s", messages=messages, max_tokens=9))
        except ModelUnreachableError as error:
            return error.message.partition(": ")[2][:40]

    with ThreadPoolExecutor(len(cuts)) as pool:
        outcomes = set(pool.map(_outcome, cuts))

    assert outcomes == {f"the answer of {MODEL!r} broke off or is not JSON"[:40]}


def test_a_body_cut_anywhere_is_never_half_an_answer(serve: Serve) -> None:
    """The same with a proxy that hides the cut: the length fits, the JSON does not."""
    document = json.dumps(message_body(saying("done"), {"messages": []}, 1, is_cached=False)).encode()
    cuts = iter(range(0, len(document), 5))
    _, client = serve(lambda _: ScriptedReply(raw_body=document[: next(cuts)]))

    for _ in range(0, len(document), 5):
        with pytest.raises(ModelUnreachableError, match=r"broke off|not a message"):
            ask(client)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"content": [',
        b"not json",
        b'"text"',
        b"[]",
        b"{}",
        b'{"content": "x", "stop_reason": "end_turn"}',
        b'{"type":"message","content":[{"type":"text"}],"stop_reason":"end_turn"}',
        b"\xff\xfe",
    ],
)
def test_a_malformed_body_is_a_fault_of_the_api(serve: Serve, body: bytes) -> None:
    """Whatever comes with status 200, only a message counts as one."""
    _, client = serve([ScriptedReply(raw_body=body)])

    with pytest.raises(ModelUnreachableError):
        ask(client)


def test_silence_ends_at_the_time_limit(serve: Serve) -> None:
    """A server that does not answer is unreachable, not waited for."""
    _, client = serve(lambda _: saying("too late", delay_s=30))

    with pytest.raises(ModelUnreachableError, match="in time"):
        ask(client, timeout_s=0.1)


def test_nobody_at_the_address_is_unreachable() -> None:
    """The error names the address."""
    with ScriptedModel([]) as model:
        url = model.url
    nobody = Settings(anthropic_api_key="k", anthropic_base_url=url)

    with ModelClient(nobody) as client, pytest.raises(ModelUnreachableError) as caught:
        ask(client)

    assert url in caught.value.message
    assert caught.value.exit_code == 3
