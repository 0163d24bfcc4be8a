"""Commands in a container."""

from collections.abc import Callable

from swarm.sandbox.protocol import Sandbox

Launch = Callable[..., Sandbox]
