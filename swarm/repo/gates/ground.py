"""Where a gate is run: the tree that may land, what it is compared with, and how a command runs on either."""

import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from swarm.repo.gates.gate import Gate, GateResult
from swarm.repo.git.tree import ABSENT, EXECUTABLE, REGULAR, SYMLINK, TreeChange, read_blobs, read_changes
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.checkout import clean_checkout
from swarm.sandbox.protocol import Finished, Launcher, Sandbox, SandboxEndedError, ToolError

_WITH_CONTENT = {REGULAR, EXECUTABLE, SYMLINK}
"""Modes of what is a blob; a submodule is not."""
NOT_STARTED = 127
"""The exit code of a command that could not be started, as a shell would have it."""


@dataclass(frozen=True)
class Version:
    """A file, or a link's target, before and after; empty where there was or is none."""

    path: bytes
    old: bytes
    new: bytes
    is_new: bool  # the path was not there before


@dataclass(frozen=True)
class Ground:
    """A merged tree in the hub, and the sandboxes that gates run in.

    Args:
        tree: id of the tree or commit that may land.
        base: the commit that it is compared with; the same where there is nothing to compare. Empty: no
            commit is before it, and all in it is new.
        since: a commit between the two that has passed already; empty: the base is the last that has.
        log: what commands print is appended there.
    """

    hub: Hub
    tree: str
    base: str
    launcher: Launcher
    labels: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    since: str = ""

    def checkout(self, revision: str) -> AbstractContextManager[Path]:
        """A clean checkout of its own; gone after the block."""
        may_mount, since = self.launcher.sees_mounts, self.since if revision == self.tree else ""
        base = self.base or self.tree
        return clean_checkout(self.hub, revision, base=base, since=since, may_mount=may_mount)

    @property
    def before(self) -> str:
        """The base, or the id of the empty tree where there is none."""
        return self.base or self.hub.git.one_line("hash-object", "-t", "tree", "/dev/null")

    @property
    def compares(self) -> bool:
        """The base is another tree than the one that is judged."""
        return bool(self.changes())

    def changes(self) -> list[TreeChange]:
        """The paths about which base and tree disagree."""
        return read_changes(self.hub.git, self.before, self.tree)

    def versions(self) -> list[Version]:
        """What differs from the base, as it was there and as it is."""
        changes = self.changes()
        before = {each.path: each.old_oid for each in changes if each.old_mode in _WITH_CONTENT}
        after = {each.path: each.new_oid for each in changes if each.new_mode in _WITH_CONTENT}
        oids = sorted({*before.values(), *after.values()})
        known = dict(zip(oids, read_blobs(self.hub.git, oids), strict=True))

        def content(side: Mapping[bytes, str], path: bytes) -> bytes:
            return known.get(side.get(path, ""), b"")

        return [
            Version(
                each.path,
                content(before, each.path),
                content(after, each.path),
                is_new=each.old_mode == ABSENT,
            )
            for each in changes
        ]

    def sandbox(self, tree: Path) -> AbstractContextManager[Sandbox]:
        """A sandbox on a checkout, closed after the block."""
        return closing(self.launcher.open(tree, labels=self.labels))

    def run(self, gate: Gate, argv: Sequence[str] = ()) -> GateResult:
        """Run the gate's command, or that argv, on a clean checkout of the tree.

        Raises:
            SandboxEndedError: a sandbox was killed from outside; that says nothing about the tree.
        """
        with self.checkout(self.tree) as tree, self.sandbox(tree) as sandbox:
            return run_in(sandbox, replace(gate, command=tuple(argv) or gate.command), self.log)

    def run_on(self, tree: Path, gate: Gate) -> GateResult:
        """Run the gate's command once more on a checkout that is there, in a sandbox of its own."""
        with self.sandbox(tree) as sandbox:
            return run_in(sandbox, gate, self.log)

    def verdict(self, gate: Gate, started: float, *, red: str, green: str = "") -> GateResult:
        """What a gate has found out by itself: red for these reasons, or green when there are none.

        `started` is a reading of `time.monotonic`.
        """
        if red:
            self.note(f"{gate.name}: {red}")
        # What a person types to see the same.
        argv = gate.command or ("swarm", "gate", "run", gate.name)
        took_s = time.monotonic() - started
        found = red.partition("\n")[0]
        return GateResult(
            gate.name, argv, int(bool(red)), took_s, red or green, required=gate.required, found=found
        )

    def note(self, text: str) -> None:
        """Append a line to the log."""
        if self.log:
            with self.log.open("ab") as log:
                log.write(f"{text}\n".encode("utf-8", "replace"))


def run_in(sandbox: Sandbox, gate: Gate, log: Path | None) -> GateResult:
    """Run the gate's command in an open sandbox; see `Ground.run`."""
    # A command that looks for a repository must not find the one that swarm's own folder is in.
    env = {"GIT_CEILING_DIRECTORIES": str(sandbox.tree.parent), **gate.env}
    finished = _run_to_its_end(gate, sandbox, env, log)
    return GateResult(
        name=gate.name,
        argv=gate.command,
        exit_code=finished.exit_code,
        duration_s=finished.duration_s,
        output=finished.output,
        required=gate.required,
        timed_out=finished.timed_out,
        timeout_s=gate.timeout_s,
        ran_out_of_memory=finished.ran_out_of_memory,
    )


def _run_to_its_end(gate: Gate, sandbox: Sandbox, env: Mapping[str, str], log: Path | None) -> Finished:
    """Run the command; what keeps it from ending by itself is its result too, and never a 0.

    Raises:
        SandboxEndedError: somebody else killed the sandbox: nobody knows how the command would have ended.
    """
    started = time.monotonic()
    try:
        return sandbox.run(gate.command, timeout_s=gate.timeout_s, env=env, log=log)
    except ToolError as error:
        return Finished(NOT_STARTED, str(error), time.monotonic() - started)
    except SandboxEndedError as error:
        ending = sandbox.ending()
        if ending is not None and ending.was_killed:
            raise
        return Finished(
            -signal.SIGKILL,
            f"the sandbox ended while this ran: {error}",
            time.monotonic() - started,
            ran_out_of_memory=ending is not None and ending.ran_out_of_memory,
        )
