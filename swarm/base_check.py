"""The project's gates, run once on the commit that work starts from.

A gate that is red before any work keeps every task off the branch until one of them mends it. A plan
may exist to do just that, so nothing is refused: whoever starts a run hears it while it begins.
"""

import json
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from swarm.errors import SwarmError
from swarm.fleet.launch import open_launcher
from swarm.observe.wording import plural, printable
from swarm.plan.model import TaskSpec
from swarm.repo.gates.definitions import load_gates
from swarm.repo.gates.gate import Gate, GateReport, GateResult
from swarm.repo.gates.ground import Ground
from swarm.repo.gates.running import run_gates
from swarm.repo.hub.opening import open_hub
from swarm.repo.hub.project_file import edited_since
from swarm.repo.merging.slot import LeashedLauncher
from swarm.sandbox.protocol import Launcher, Sandbox, SandboxEndedError
from swarm.settings import CONFIG_NAME, Settings

LAST_LINES = 5
LOOK_EVERY_S = 0.2
FILE_NAME = "base.json"


def gates_on(settings: Settings, commit: str, launcher: Launcher, *, log: Path) -> GateReport:
    """Run the gates that the commit defines on the commit itself, each as the merge queue would.

    Raises:
        SwarmError: a gate is malformed, or git or Docker cannot be used.
    """
    gates = load_gates(open_hub(settings), commit)
    return run_on(settings, commit, gates, launcher, log=log)


def run_on(
    settings: Settings,
    commit: str,
    gates: Sequence[Gate],
    launcher: Launcher,
    *,
    log: Path,
    against: str | None = None,
) -> GateReport:
    """Run these gates on a commit of the hub, until a required one fails.

    It is compared with the commit `against`, in the hub as well, where a gate compares; without one with
    itself; where that is empty with nothing: all in it is new.

    Raises:
        SwarmError: git or Docker cannot be used.
    """
    hub = open_hub(settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    labels = {"swarm.attempt": f"base/{commit}"}
    base = commit if against is None else against
    return run_gates(gates, Ground(hub, commit, base, launcher, labels, log))


def judging_notes(settings: Settings, commit: str, tasks: Sequence[TaskSpec]) -> list[str]:
    """What a person should read of what decides over what lands, where it may not be what they think.

    Raises:
        ConfigError: a gate of the commit is malformed.
    """
    unjudged = sum(not task.acceptance for task in tasks)
    notes = [uncommitted_note(settings, commit)]
    if unjudged and not any(gate.required for gate in load_gates(open_hub(settings), commit)):
        notes.append(
            f"warning: no gate is required at {commit[:12]}, and {unjudged} of {plural(len(tasks), 'task')}"
            " named no acceptance command: that work lands unjudged; `swarm init` writes gates"
        )
    return [note for note in notes if note]


def uncommitted_note(settings: Settings, commit: str) -> str:
    """What a person should read who has edited gates and not committed them; empty for others.

    Raises:
        ConfigError: the file of the commit cannot be read.
    """
    if not edited_since(settings.root, open_hub(settings), commit):
        return ""
    return (
        f"warning: {CONFIG_NAME} here has other gates or guarded paths than at {commit[:12]}:"
        " those of the commit judge; commit it first if yours are to"
    )


def red_note(red: GateResult, commit: str) -> str:
    """What a person should read about a gate that is red before any work."""
    output = [line for line in printable(red.output).splitlines() if line.strip()]
    shown = [f"$ {printable(shlex.join(red.argv))}", *output[-LAST_LINES:]]
    lines = [
        f"warning: the gate {red.name!r} is red before any work, on {commit[:12]}: {red}",
        *(f"  | {line}" for line in shown),
        "  no task can land until one makes it green; if the plan is not for that, stop with Ctrl-C,",
        "  mend the gate, commit, and run again",
    ]
    return "\n".join(lines)


def red_on_base(run_folder: Path) -> str:
    """The gate that was red before this run did anything, and how; empty when none was, as far as known."""
    try:
        stored = json.loads((run_folder / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    red = stored.get("red") if isinstance(stored, dict) else None
    return red if isinstance(red, str) else ""


class BaseCheck:
    """Runs the gates on a run's base beside the run itself, and keeps the verdict in the run's folder."""

    def __init__(self, settings: Settings, commit: str, *, run_folder: Path) -> None:
        self._settings = settings
        self._commit = commit
        self._folder = run_folder
        self._leash = LeashedLauncher(_OpenedWhenUsed(settings))
        self._notes: list[str] = []
        self._thread = threading.Thread(target=self._check, name="base check", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def take_note(self) -> str:
        """What there is to tell since the last time; mostly nothing."""
        return self._notes.pop() if self._notes else ""

    def end(self, *, patience_s: float = 0.0, is_asked_to_stop: Callable[[], bool] = lambda: False) -> None:
        """Wait this long for the verdict, or until asked to stop; then end what still runs."""
        deadline_s = time.monotonic() + patience_s
        while self._thread.is_alive() and time.monotonic() < deadline_s and not is_asked_to_stop():
            self._thread.join(LOOK_EVERY_S)
        self._leash.cut()
        self._thread.join()

    def _check(self) -> None:
        try:
            log = self._folder / "base.gate.log"
            report = gates_on(self._settings, self._commit, self._leash, log=log)
        except (SwarmError, OSError, SandboxEndedError) as error:
            if not self._leash.is_cut:
                self._notes.append(f"warning: the gates could not be run on {self._commit[:12]}: {error}")
            return
        if self._leash.is_cut:
            return
        red = report.failure
        stored = {"commit": self._commit, "red": str(red) if red else ""}
        (self._folder / FILE_NAME).write_text(json.dumps(stored) + "\n", encoding="utf-8")
        if red:
            self._notes.append(red_note(red, self._commit))


class _OpenedWhenUsed:
    """The launcher of the settings, opened by the thread that uses it: Docker takes half a second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _launcher(self) -> Launcher:
        return open_launcher(self._settings)

    @property
    def sees_mounts(self) -> bool:
        """As the launcher that is opened."""
        return self._launcher.sees_mounts

    def open(self, tree: Path, *, labels: Mapping[str, str]) -> Sandbox:
        """Start a tool host."""
        return self._launcher.open(tree, labels=labels)
