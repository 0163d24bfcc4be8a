"""Keeping a merge slot while gates run, and ending them when it is lost."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from swarm.engine.claims import MergeTicket
from swarm.engine.engine import Engine
from swarm.errors import StaleTokenError, StorePutDownError, StoreUnreachableError
from swarm.sandbox.protocol import Launcher, Sandbox


@contextmanager
def kept_slot(engine: Engine, train: Sequence[MergeTicket], on_lost: Callable[[], None]) -> Iterator[None]:
    """Renew a train's slot three times a term from a thread of its own; call `on_lost` once when it is gone.

    While Redis does not answer, and nobody has stopped it, the thread keeps trying: the renewal before the
    transaction decides.
    """
    stopped = threading.Event()
    own = engine.clone()

    def renew() -> None:
        while not stopped.wait(train[0].lease_ms / 3000):
            try:
                own.renew_merge(train)
            except (StaleTokenError, StorePutDownError):
                on_lost()
                return
            except StoreUnreachableError:
                continue

    thread = threading.Thread(target=renew, name=f"slot {train[0].branch}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        own.close()


class LeashedLauncher:
    """A launcher whose sandboxes can all be ended at once, from another thread."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._guard = threading.Lock()
        self._sandboxes: list[Sandbox] = []
        self.is_cut = False

    @property
    def sees_mounts(self) -> bool:
        """As the launcher that it is around."""
        return self._launcher.sees_mounts

    def open(self, tree: Path, *, labels: Mapping[str, str]) -> Sandbox:
        """Start a tool host, which `cut` ends."""
        sandbox = self._launcher.open(tree, labels=labels)
        with self._guard:
            self._sandboxes.append(sandbox)
            if self.is_cut:
                sandbox.kill()
        return sandbox

    def cut(self) -> None:
        """End whatever is running, and whatever is opened from now on."""
        with self._guard:
            self.is_cut = True
            for sandbox in self._sandboxes:
                sandbox.kill()
