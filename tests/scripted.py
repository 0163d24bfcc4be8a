"""The key of scripted models in tests, and the type of the fixture that starts them."""

from collections.abc import Callable, Sequence

from swarm.models.client import ModelClient
from swarm.testing.script import ScriptedReply
from swarm.testing.scripted_model import Script, ScriptedModel

KEY = "scripted-key"

Serve = Callable[[Script | Sequence[ScriptedReply]], tuple[ScriptedModel, ModelClient]]
