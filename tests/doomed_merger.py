"""A merge queue in a process of its own, which is killed, stopped or broken at a point."""

import multiprocessing
import signal
import time
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import psutil

from swarm.crashpoints import CrashPointError, arm
from swarm.engine.engine import Engine
from swarm.engine.wire import HiredisStore
from swarm.errors import StoreUnreachableError
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.merge_queue import MergeQueue
from swarm.testing.launcher import SubprocessLauncher

LEASE_MS = 1000
DEADLINE_S = 60


def _context() -> ForkServerContext:
    """Processes that begin with everything imported: half a second each is saved."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def merge_to_the_end(
    url: str, hub_path: Path, run: str, point: str, most: int, *, goes_on: bool, address: str
) -> None:
    """What a supervisor does until the run ends; an armed point that raises ends it unless it `goes_on`."""
    arm(point)
    hub = Hub(hub_path, address=address)
    engine = Engine(HiredisStore(url), "p", lease_ms=LEASE_MS, retry_base_ms=1, retry_cap_ms=1)
    queue = MergeQueue(engine, hub, SubprocessLauncher(), merger_id="doomed", home=hub.home, most=most)
    deadline_s = time.monotonic() + DEADLINE_S
    begun = False
    while not engine.run(run).state.is_terminal and time.monotonic() < deadline_s:
        try:
            engine.reclaim_expired()
            begun = begun or queue.reconcile() == ()
            queue.land_train()
        except CrashPointError:
            if not goes_on:
                return
        except StoreUnreachableError:
            return  # the test is over
        time.sleep(0.01)


class Doomed:
    """The process, as a test sees it."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        process.start()

    @property
    def exit_code(self) -> int | None:
        """None while it lives; negative: the signal that ended it."""
        return self._process.exitcode

    def wait_until(self, action: str) -> None:
        """Wait until the point did what it was armed for: the process is gone, or stands still."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not self._has_met(action):
            assert time.monotonic() < deadline_s, f"no {action} in {DEADLINE_S} s"
            time.sleep(0.01)

    def wake(self) -> None:
        """Let it go on."""
        psutil.Process(self.pid).send_signal(signal.SIGCONT)

    def wait(self) -> int | None:
        """Its exit code, when it has ended."""
        self._process.join(DEADLINE_S)
        return self.exit_code

    def end(self) -> None:
        """Kill what is left of it."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    def _has_met(self, action: str) -> bool:
        if action != "stop":
            return self.exit_code is not None
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED


def start_doomed(
    url: str,
    hub_path: Path,
    run: str,
    point: str,
    *,
    most: int = 64,
    goes_on: bool = False,
    address: str = "",
) -> Doomed:
    """Start one that merges the run; `point` is what `arm` takes, `address` a git server's."""
    arguments = (url, hub_path, run, point, most)
    more = {"goes_on": goes_on, "address": address}
    return Doomed(_context().Process(target=merge_to_the_end, args=arguments, kwargs=more))
