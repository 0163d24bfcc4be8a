"""One run on a merge queue: what a worker and a supervisor do for it, step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.clock import Clock
from swarm.engine.claims import Claim, WorkerProfile
from swarm.engine.engine import Engine
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.scope import WriteScope
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import attempt_ref
from swarm.repo.merging.merge_queue import SYSTEM_CLOCK, Landing, MergeQueue
from swarm.repo.merging.train_size import MOST
from swarm.repo.workspaces.workspace import Workspace, open_workspace, take_attempt
from swarm.states import TaskState
from swarm.testing.checker_git import check_history
from swarm.testing.launcher import SubprocessLauncher
from swarm.testing.repository import UserRepository

WORKER = WorkerProfile("worker-1")
Edit = Callable[[Path], object]
NOBODY = {
    "GIT_AUTHOR_NAME": "x",
    "GIT_AUTHOR_EMAIL": "x",
    "GIT_COMMITTER_NAME": "x",
    "GIT_COMMITTER_EMAIL": "x",
}


@dataclass
class Board:
    """One run, and what a worker and a merge queue do for it."""

    engine: Engine
    hub: Hub
    user: UserRepository
    folder: Path
    run: str = ""
    claims: int = 0

    def submit(self, *tasks: TaskSpec) -> None:
        """Start a run of these tasks from the user's HEAD."""
        base = self.hub.import_base(self.user.path)
        self.run = self.engine.submit(Plan(tasks), base=base)
        self.hub.start_branch(self.branch, base)

    @property
    def branch(self) -> str:
        """The integration branch."""
        return f"swarm/{self.run}"

    def claim(self) -> Claim:
        """Claim and start the best task."""
        self.claims += 1
        claim = self.engine.claim(WORKER, f"claim-{self.claims}")
        assert claim is not None
        self.engine.start(claim)
        return claim

    def workspace(self, claim: Claim) -> Workspace:
        """A fresh workspace for a claim."""
        return open_workspace(self.hub, claim.base, self.folder / f"{claim.task.id}.{claim.attempt}")

    def take(self, claim: Claim, workspace: Workspace, *, scope: Sequence[str] = ("**",)) -> str:
        """Take an attempt; the worker here checks no scope unless it is told one."""
        ref = attempt_ref(claim.run, claim.task.id, claim.attempt)
        taken = take_attempt(self.hub, workspace, scope=WriteScope(scope), message="attempt", ref=ref)
        assert taken.commit is not None, taken
        return taken.commit

    def hand_in(self, edit: Edit) -> Claim:
        """Claim the best task, do it, and hand it in."""
        claim = self.claim()
        workspace = self.workspace(claim)
        edit(workspace.tree)
        self.engine.hand_in(claim, commit=self.take(claim, workspace))
        return claim

    def queue(
        self,
        merger_id: str = "merger-1",
        race: Callable[[], object] = lambda: None,
        most: int = MOST,
        clock: Clock = SYSTEM_CLOCK,
    ) -> MergeQueue:
        """A merge queue; `race` happens each time it starts gates."""
        return MergeQueue(
            self.engine,
            self.hub,
            SubprocessLauncher(race),
            merger_id=merger_id,
            home=self.hub.home,
            most=most,
            clock=clock,
        )

    def land(self, race: Callable[[], object] = lambda: None) -> Landing:
        """Judge what was handed in first, alone."""
        [landing] = self.queue(race=race, most=1).land_train()
        return landing

    def state(self, task: str) -> TaskState:
        """Where a task is."""
        return self.engine.task(self.run, task).state

    def done(self) -> list[str]:
        """The tasks that Redis holds for done; of one that was expanded only its parts land."""
        tasks = self.engine.tasks(self.run)
        return [task.spec.id for task in tasks if task.state == TaskState.DONE and not task.join]

    def violations(self) -> list[str]:
        """What the checker finds."""
        return check_history(self.hub.path, self.branch, self.done())


def task(name: str, *files: str, **more: object) -> TaskSpec:
    """A task with a write scope."""
    return TaskSpec(id=name, description=f"Do {name}", files=files or ("src/**",), **more)  # type: ignore[arg-type]


def write(name: str, content: str) -> Edit:
    """An edit of one file."""
    return lambda tree: (tree / name).write_text(content)


def gate_that(board: Board, command: str) -> None:
    """Make the project's gate a shell command, with the hub's path in $0."""
    line = f'command = ["sh", "-c", "{command}", "{board.hub.path}"]'
    board.user.commit({"swarm.toml": f"[gate.tests]\n{line}\n"})
