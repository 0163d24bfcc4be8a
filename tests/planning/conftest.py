"""A scripted model over real HTTP, and clients of it through the real SDK."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from scripted import KEY, Serve

from swarm.models.client import ModelClient
from swarm.settings import Settings
from swarm.testing.script import ScriptedReply
from swarm.testing.scripted_model import Script, ScriptedModel


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a model with a script, and a client with its key; both end with the test."""
    with ExitStack() as stack:

        def _serve(script: Script | Sequence[ScriptedReply]) -> tuple[ScriptedModel, ModelClient]:
            model = stack.enter_context(ScriptedModel(script, api_key=KEY))
            client = ModelClient(Settings(anthropic_api_key=KEY, anthropic_base_url=model.url))
            stack.callback(client.close)
            return model, client

        yield _serve
