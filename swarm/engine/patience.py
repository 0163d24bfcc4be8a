"""How long a call is repeated while the server does not answer."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from swarm.clock import Clock, SystemClock
from swarm.engine.store import Reply, Store
from swarm.errors import StorePutDownError, StoreUnreachableError

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0

_T = TypeVar("_T")


def never() -> bool:
    """Nobody puts this server down: whoever lost it waits for it."""
    return False


class Patience:
    """Repeats what got no answer, with growing pauses; only for what may be sent twice.

    Args:
        is_put_down: asked while there is no answer; True says that none is to be waited for.
    """

    def __init__(
        self, patience_s: float, *, clock: Clock | None = None, is_put_down: Callable[[], bool] = never
    ) -> None:
        self._patience_s = patience_s
        self._clock = clock or SystemClock()
        self._is_put_down = is_put_down

    def repeat(self, attempt: Callable[[], _T]) -> _T:
        """The first answer.

        Raises:
            StoreUnreachableError: none came within the patience; the outcome is unknown.
            StorePutDownError: the same, at once: somebody has stopped the server for good.
        """
        started_s: float | None = None
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return attempt()
            except StoreUnreachableError as error:
                if self._is_put_down():
                    raise StorePutDownError(f"the server was stopped: {error.message}") from error
                now_s = self._clock.monotonic_s()
                started_s = now_s if started_s is None else started_s
                if now_s - started_s + pause_s > self._patience_s:
                    raise
            from random import uniform  # noqa: PLC0415  # 3 ms, which a server that answers does not cost

            self._clock.sleep_s(pause_s * uniform(0.5, 1.0))  # noqa: S311  # spreads pauses; no secret
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def patient_pipeline(
    store: Store, patience: Patience
) -> Callable[[Sequence[Sequence[str | int]]], list[Reply]]:
    """Sends plain reading commands together, with patience."""
    return lambda commands: patience.repeat(lambda: store.pipeline(commands))
