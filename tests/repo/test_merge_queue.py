"""Landing: what reaches the branch, what is sent back with which evidence, and what no crash can break."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from swarm.crashpoints import POINTS
from swarm.engine.engine import Engine
from swarm.engine.records import Claim, WorkerProfile
from swarm.engine.store import Store
from swarm.engine.words import words_of
from swarm.fleet.process import ProcessLauncher
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.scope import WriteScope
from swarm.repo.hub import Hub, find_attempt
from swarm.repo.merge_queue import Landing, MergeQueue, Outcome
from swarm.repo.refs import attempt_ref, fence_ref, task_ref
from swarm.repo.workspace import Workspace, open_workspace, take_attempt
from swarm.states import TaskState
from swarm.testing.checker_git import check_history
from swarm.testing.launcher import SubprocessLauncher
from swarm.testing.repository import UserRepository

WORKER = WorkerProfile("worker-1")
Edit = Callable[[Path], object]


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

    def queue(self, merger_id: str = "merger-1", race: Callable[[], object] = lambda: None) -> MergeQueue:
        """A merge queue; `race` happens each time it starts gates."""
        return MergeQueue(
            self.engine, self.hub, SubprocessLauncher(race), merger_id=merger_id, home=self.hub.home
        )

    def land(self) -> Landing:
        """Judge what was handed in first."""
        landing = self.queue().land_next()
        assert landing is not None
        return landing

    def state(self, task: str) -> TaskState:
        """Where a task is."""
        return self.engine.task(self.run, task).state

    def done(self) -> list[str]:
        """The tasks that Redis holds for done."""
        return [task.spec.id for task in self.engine.tasks(self.run) if task.state == TaskState.DONE]

    def violations(self) -> list[str]:
        """What the checker finds."""
        return check_history(self.hub.path, self.branch, self.done())


@pytest.fixture
def board(engine: Engine, hub: Hub, user: UserRepository, tmp_path: Path) -> Board:
    """No run yet."""
    return Board(engine, hub, user, tmp_path / "work")


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


def test_an_attempt_lands_as_one_commit_with_its_trailers(board: Board) -> None:
    """Author, subject, trailers, tree, refs and state are as documented; the attempt's refs are gone."""
    board.submit(task("one"))
    claim = board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()

    assert (landing.outcome, landing.task, landing.branch) == (Outcome.LANDED, "one", board.branch)
    assert landing.commit == board.hub.tip(board.branch)
    assert board.hub.read_blob(f"{landing.commit}:src/a.py") == b"a = 2\n"
    assert board.hub.git.one_line("log", "-1", "--format=%an <%ae>|%cn <%ce>|%s|%P", landing.commit) == (
        f"swarm <swarm@localhost>|swarm <swarm@localhost>|Do one|{claim.base}"
    )
    (landed,) = board.hub.landings(board.branch, claim.base)
    assert (landed.run, landed.task, landed.attempt) == (board.run, "one", 1)
    assert board.hub.read_blob(fence_ref(board.branch)) == f"{landed.merge_token}\n".encode()
    assert board.hub.refs_under("refs/swarm/attempt/") == {}
    assert board.state("one") == TaskState.DONE
    assert board.engine.task(board.run, "one").merged_commit == landing.commit
    assert board.violations() == []
    assert board.queue().land_next() is None


def test_a_dependent_starts_from_what_its_dependency_landed(board: Board) -> None:
    """The landing names what it queued, and the next base contains it."""
    board.submit(task("one"), task("two", dependencies=("one",)))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()
    claim = board.hand_in(write("src/b.py", "b = 2\n"))

    assert landing.newly_queued == ("two",)
    assert claim.base == landing.commit
    assert board.land().outcome == Outcome.LANDED
    assert board.violations() == []


def test_parallel_attempts_from_one_base_both_land(board: Board) -> None:
    """The second is merged onto the first."""
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hand_in(write("src/b.py", "b = 2\n"))

    outcomes = [board.land().outcome, board.land().outcome]

    assert outcomes == [Outcome.LANDED, Outcome.LANDED]
    tip = board.hub.tip(board.branch)
    assert board.hub.read_blob(f"{tip}:src/a.py") == b"a = 2\n"
    assert board.hub.read_blob(f"{tip}:src/b.py") == b"b = 2\n"
    assert board.violations() == []


def conflicting(board: Board) -> Claim:
    """Land one attempt, and have another from the same base handed in that disagrees."""
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    first, second = board.claim(), board.claim()
    trees = [board.workspace(first), board.workspace(second)]
    for claim, workspace, content in zip(
        (first, second), trees, ("a = 'ours'\n", "a = 'theirs'\n"), strict=True
    ):
        (workspace.tree / "src/a.py").write_text(content)
        board.engine.hand_in(claim, commit=board.take(claim, workspace))
    assert board.land().outcome == Outcome.LANDED
    return second


def test_a_conflict_goes_back_with_the_hunks(board: Board) -> None:
    """The next attempt is told which paths, and both versions; its old commit is not offered again."""
    second = conflicting(board)
    tip = board.hub.tip(board.branch)

    landing = board.land()

    assert (landing.outcome, landing.task, landing.requeued) == (Outcome.CONFLICT, second.task.id, True)
    record = board.engine.task(board.run, second.task.id)
    assert record.failure_kind == "conflict"
    assert "src/a.py" in record.failure_reason
    assert "CONFLICT (content)" in record.evidence
    assert "a = 'ours'" in record.evidence
    assert "a = 'theirs'" in record.evidence
    assert board.hub.tip(board.branch) == tip
    assert find_attempt(board.hub, board.run, second.task.id) is None
    assert len(board.hub.refs_under("refs/swarm/rejected/")) == 1
    assert board.violations() == []


def test_a_red_gate_goes_back_with_its_output(board: Board) -> None:
    """Nothing lands; the evidence holds the command and what it printed; later gates are not run."""
    gates = (
        '[gate.tests]\ncommand = ["sh", "-c", "grep -q good src/a.py || { echo not good; exit 3; }"]\n'
        '[gate.later]\ncommand = ["sh", "-c", "touch /nowhere/later"]\nrequired = false\n'
    )
    board.user.commit({"swarm.toml": gates})
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "bad\n"))

    landing = board.land()

    assert (landing.outcome, landing.requeued) == (Outcome.GATE_FAILED, True)
    assert [result.name for result in landing.gates.results] == ["tests"]
    record = board.engine.task(board.run, "one")
    assert (record.state, record.failure_kind) == (TaskState.QUEUED, "gate_failed")
    assert record.failure_reason == "tests: exit code 3"
    assert "not good" in record.evidence
    assert board.hub.tip(board.branch) == board.user.head()
    assert board.violations() == []
    board.hand_in(write("src/a.py", "good\n"))
    assert board.land().outcome == Outcome.LANDED


def test_the_gate_sees_the_merged_tree_and_nothing_else(board: Board) -> None:
    """Both sides are there; left-overs and git's data are not; the user's repository is out of reach."""
    look = "find . -type f | sort; cat src/a.py src/b.py; git rev-parse --show-toplevel 2>/dev/null; exit 0"
    gate_that(board, look)
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    claims = [board.claim(), board.claim()]
    for claim in claims:
        workspace = board.workspace(claim)
        name = "a" if claim.task.id == "one" else "b"
        (workspace.tree / f"src/{name}.py").write_text(f"{name} = 2\n")
        (workspace.tree / "junk.log").write_text("x")
        board.engine.hand_in(claim, commit=board.take(claim, workspace))

    board.land()
    landing = board.land()

    assert landing.gates.results[0].output.splitlines() == [
        "./.gitignore", "./README.md", "./docs/guide.md", "./src/a.py", "./src/b.py", "./swarm.toml",
        "a = 2", "b = 2",
    ]  # fmt: skip
    assert list((board.hub.home / "gates").iterdir()) == []


def test_a_task_cannot_weaken_the_gate_that_judges_it(board: Board) -> None:
    """The definition comes from the commit that the run began with, for this task and for later ones."""
    board.user.commit({"swarm.toml": '[gate.tests]\ncommand = ["false"]\n'})
    board.submit(task("one", "swarm.toml"))
    board.hand_in(write("swarm.toml", '[gate.tests]\ncommand = ["true"]\n'))

    assert board.land().outcome == Outcome.GATE_FAILED


def test_acceptance_commands_run_on_the_merged_tree(board: Board) -> None:
    """A task's own commands judge it, before the project's gates."""
    board.submit(task("one", acceptance=(("grep", "-q", "2", "src/a.py"), ("false",))))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()

    assert landing.outcome == Outcome.GATE_FAILED
    assert [str(result) for result in landing.gates.results] == [
        "acceptance 1: exit code 0",
        "acceptance 2: exit code 1",
    ]
    log = board.hub.home / "logs" / board.run / "one.1.gate.log"
    assert log.exists()


def test_no_gate_sees_what_another_command_has_written(board: Board) -> None:
    """What is gated is what lands: neither acceptance commands nor gates can mend the tree for a gate."""
    gates = (
        '[gate.format]\ncommand = ["sh", "-c", "test ! -e marker && touch formatted"]\n'
        '[gate.clean]\ncommand = ["test", "!", "-e", "formatted"]\n'
        '[gate.marked]\ncommand = ["test", "-f", "marker"]\n'
    )
    board.user.commit({"swarm.toml": gates})
    board.submit(task("one", acceptance=(("touch", "marker"), ("test", "-f", "marker"))))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()

    assert landing.outcome == Outcome.GATE_FAILED
    assert [(result.name, result.passed) for result in landing.gates.results] == [
        ("acceptance 1", True), ("acceptance 2", True), ("format", True), ("clean", True), ("marked", False),
    ]  # fmt: skip
    assert list((board.hub.home / "gates").iterdir()) == []


def test_a_broken_gate_definition_is_for_a_person(board: Board) -> None:
    """No attempt can mend it, so none is wasted on it."""
    board.user.commit({"swarm.toml": '[gate.tests]\ncommand = "pytest"\n'})
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()

    assert (landing.outcome, landing.requeued) == (Outcome.REFUSED, False)
    assert "gate.tests.command must be a list" in landing.reason


def test_a_change_outside_the_scope_does_not_land(board: Board) -> None:
    """The merge looks at the real difference, whatever the worker let through."""
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("README.md", "mine\n"))

    landing = board.land()

    assert landing.outcome == Outcome.OUT_OF_SCOPE
    assert landing.reason == "README.md: changed outside the write scope"
    assert board.hub.tip(board.branch) == board.user.head()


def commit_raw(board: Board, claim: Claim, entry: str) -> str:
    """An attempt that no workspace could produce: one tree entry, written straight into the hub."""
    git = board.hub.git
    blob = git.run("hash-object", "-w", "--stdin", stdin=b"/etc/passwd").decode().strip()
    tree = git.run("ls-tree", claim.base) + entry.format(blob=blob, base=claim.base).encode()
    made = git.run("mktree", "--missing", stdin=tree).decode().strip()
    env = {
        "GIT_AUTHOR_NAME": "x",
        "GIT_AUTHOR_EMAIL": "x",
        "GIT_COMMITTER_NAME": "x",
        "GIT_COMMITTER_EMAIL": "x",
    }
    return git.run("commit-tree", made, "-p", claim.base, "-m", "evil", env=env).decode().strip()


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("120000 blob {blob}\tlink\n", "link: links to '/etc/passwd', outside the repository"),
        ("160000 commit {base}\tsub\n", "sub: is a submodule"),
    ],
)
def test_links_outward_and_submodules_never_land(board: Board, entry: str, reason: str) -> None:
    """A forged attempt is refused on the diff, and a person is told."""
    board.submit(task("one", "**"))
    claim = board.claim()
    board.engine.hand_in(claim, commit=commit_raw(board, claim, entry))

    landing = board.land()

    assert landing.outcome == Outcome.REFUSED
    assert landing.reason == reason
    assert board.engine.task(board.run, "one").needs_person
    assert board.hub.tip(board.branch) == board.user.head()


def test_an_attempt_whose_change_is_there_already_is_done_without_a_commit(board: Board) -> None:
    """The same edit twice gives one commit; the second task is done with the tip it found."""
    check = (("grep", "-q", "2", "src/a.py"),)
    board.submit(task("one", "src/a.py", acceptance=check), task("two", "src/b.py", acceptance=check))
    for claim in (board.claim(), board.claim()):
        workspace = board.workspace(claim)
        (workspace.tree / "src/a.py").write_text("a = 2\n")
        board.engine.hand_in(claim, commit=board.take(claim, workspace))
    tip = board.land().commit

    landing = board.land()

    assert (landing.outcome, landing.commit) == (Outcome.UNCHANGED, tip)
    assert [result.passed for result in landing.gates.results] == [True]
    assert board.hub.tip(board.branch) == tip
    assert sorted(board.done()) == ["one", "two"]
    assert board.violations() == []


def test_a_stale_merge_is_refused_by_git(board: Board) -> None:
    """Even if Redis has forgotten the newer merge, its token in the fence ref stands."""
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hub.raise_fence(board.branch, 10_000)

    landing = board.land()

    assert landing.outcome == Outcome.STALE
    assert "older than its fence" in landing.reason
    assert board.hub.tip(board.branch) == board.user.head()
    assert board.state("one") == TaskState.MERGING


def test_a_gate_whose_sandbox_is_killed_charges_nobody(board: Board) -> None:
    """The attempt stays as it is, and is judged the next time."""
    gate_that(board, "test -e $0/calm || { touch $0/calm; kill -9 $PPID; sleep 60; }")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    queue = MergeQueue(board.engine, board.hub, ProcessLauncher(), merger_id="merger-1", home=board.hub.home)

    killed = queue.land_next()

    record = board.engine.task(board.run, "one")
    assert killed is not None
    assert (killed.outcome, killed.requeued) == (Outcome.INFRASTRUCTURE, True)
    assert (record.failures, record.setbacks) == (0, 1)
    assert find_attempt(board.hub, board.run, "one") is not None


def test_a_redis_restored_from_an_older_copy_is_counted_up_at_once(board: Board, store: Store) -> None:
    """Its counter is behind git's fence: the next merge is refused once, not once a number."""
    gate_that(board, "test -e $0/green")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    names = words_of(store.call("KEYS", "*"))
    older = [
        value for value in store.pipeline([["DUMP", name] for name in names]) if isinstance(value, bytes)
    ]
    store.call("INCRBY", board.engine.keys.of("fence"), 500)
    red = board.land()
    store.call("FLUSHDB")
    store.pipeline([["RESTORE", name, 0, value] for name, value in zip(names, older, strict=True)])
    (board.hub.path / "green").touch()

    outcomes = [board.land().outcome, board.land().outcome]

    assert red.outcome == Outcome.GATE_FAILED
    assert outcomes == [Outcome.STALE, Outcome.LANDED]
    assert board.hub.fence(board.branch) > 500
    assert board.violations() == []


def test_a_fence_raised_while_gates_ran_stops_the_transaction(board: Board) -> None:
    """A zombie that wakes up before its transaction moves nothing."""
    gate_that(board, "touch $0/gate-ran")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    queue = board.queue(race=lambda: board.hub.raise_fence(board.branch, 10_000))

    landing = queue.land_next()

    assert landing is not None
    assert landing.outcome == Outcome.STALE
    assert "raised its fence" in landing.reason
    assert board.hub.tip(board.branch) == board.user.head()
    assert board.hub.done_refs(board.run) == {}


def test_a_branch_that_moved_is_merged_again_on_its_new_tip(board: Board) -> None:
    """Somebody's commit in between is kept, and the gate runs on the new tree too."""
    gate_that(board, "true")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    moves = iter([board.user.commit({"docs/human.md": "1\n"}), ""])

    def move() -> None:
        commit = next(moves)
        if commit:
            board.hub.import_base(board.user.path, commit)
            board.hub.create_refs({f"refs/heads/{board.branch}": commit})

    landing = board.queue(race=move).land_next()

    assert landing is not None
    assert landing.outcome == Outcome.LANDED
    assert board.hub.read_blob(f"{landing.commit}:docs/human.md") == b"1\n"
    assert board.hub.read_blob(f"{landing.commit}:src/a.py") == b"a = 2\n"


def test_a_branch_that_never_rests_is_given_up_uncharged(board: Board) -> None:
    """After five tries the attempt goes back as nobody's fault, and is kept for the next."""
    gate_that(board, "true")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    count = iter(range(100))

    def move() -> None:
        commit = board.user.commit({"docs/human.md": f"{next(count)}\n"})
        board.hub.import_base(board.user.path, commit)
        board.hub.create_refs({f"refs/heads/{board.branch}": commit})

    landing = board.queue(race=move).land_next()

    assert landing is not None
    assert (landing.outcome, landing.requeued) == (Outcome.INFRASTRUCTURE, True)
    record = board.engine.task(board.run, "one")
    assert (record.state, record.failures) == (TaskState.QUEUED, 0)
    assert find_attempt(board.hub, board.run, "one") is not None


def test_a_landing_that_breaks_gives_its_slot_back(board: Board) -> None:
    """An error that nobody foresaw charges nobody, and the branch is free for the next attempt."""
    gate_that(board, "true")
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hand_in(write("src/b.py", "b = 2\n"))

    def fail() -> None:
        raise ZeroDivisionError("nobody foresaw this")

    landing = board.queue(race=fail).land_next()

    assert landing is not None
    assert (landing.outcome, landing.requeued) == (Outcome.INFRASTRUCTURE, True)
    assert landing.reason == "could not merge: ZeroDivisionError: nobody foresaw this"
    record = board.engine.task(board.run, landing.task)
    assert (record.state, record.failures) == (TaskState.QUEUED, 0)
    assert find_attempt(board.hub, board.run, landing.task) is not None
    other = board.land()
    assert (other.outcome, {other.task, landing.task}) == (Outcome.LANDED, {"one", "two"})


def test_a_cancelled_run_lands_nothing(board: Board) -> None:
    """Cancelling while gates run ends the gate, and nothing lands."""
    board.engine.lease_ms = 1500
    gate_that(board, "sleep 60")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    other = board.engine.clone()
    cancel = threading.Timer(0.0, lambda: other.cancel(board.run))

    landing = board.queue(race=cancel.start).land_next()
    cancel.join()
    other.close()

    assert landing is not None
    assert landing.outcome == Outcome.STALE
    assert landing.duration_s < 30
    assert board.state("one") == TaskState.CANCELLED
    assert board.hub.tip(board.branch) == board.user.head()


def test_the_slot_is_kept_while_a_slow_gate_runs(board: Board) -> None:
    """A gate that takes longer than the slot's term does not lose it."""
    board.engine.lease_ms = 600
    gate_that(board, "sleep 1.5")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    other = board.engine.clone()

    with_rival: list[object] = []
    rival = threading.Timer(1.0, lambda: with_rival.append(other.begin_merge("rival")))
    landing = board.queue(race=rival.start).land_next()
    rival.join()
    other.close()

    assert landing is not None
    assert landing.outcome == Outcome.LANDED
    assert with_rival == [None]


CHILD = """
import sys
from pathlib import Path
from swarm.crashpoints import arm
from swarm.engine.engine import Engine
from swarm.engine.wire import HiredisStore
from swarm.repo.hub import Hub
from swarm.repo.merge_queue import MergeQueue
from swarm.testing.launcher import SubprocessLauncher
url, hub, point = sys.argv[1:]
arm(point)
hub = Hub(Path(hub))
queue = MergeQueue(
    Engine(HiredisStore(url), "p"), hub, SubprocessLauncher(), merger_id="doomed", home=hub.home
)
queue.reconcile()
while queue.land_next():
    pass
"""

MERGE_POINTS = sorted(point for point in POINTS if point.startswith("merge."))


@pytest.mark.parametrize("point", MERGE_POINTS)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_kill_at_any_step_ends_in_the_same_history(
    board: Board, redis_url: str, point: str, nth: int
) -> None:
    """Whichever landing is cut short wherever, another merge queue ends with one trailer a task."""
    gate_that(board, "true")
    names = ["a", "b", "c"]
    board.submit(*(task(name, f"src/{name}.py") for name in names))
    for _ in names:
        claim = board.claim()
        workspace = board.workspace(claim)
        (workspace.tree / f"src/{claim.task.id}.py").write_text("landed\n")
        board.engine.hand_in(claim, commit=board.take(claim, workspace))
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, redis_url, str(board.hub.path), f"{point}:{nth}:kill"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    board.engine.reclaim_worker("doomed")

    queue = board.queue("merger-2")
    frozen = queue.reconcile()
    landings = []
    while landing := queue.land_next():
        landings.append(landing.outcome)

    assert frozen == ()
    assert set(landings) <= {Outcome.LANDED}
    assert sorted(board.done()) == names
    assert board.violations() == []
    tip = board.hub.tip(board.branch)
    assert all(board.hub.read_blob(f"{tip}:src/{name}.py") == b"landed\n" for name in names)
    assert board.hub.refs_under("refs/swarm/attempt/") == {}
    assert list((board.hub.home / "gates").iterdir()) == []


def test_every_step_has_a_crash_point() -> None:
    """F0 to F7 are all there to be killed at."""
    expected = {
        "attempt.after_commit", "merge.after_begin", "merge.after_fence", "merge.after_commit",
        "merge.after_gate", "merge.before_tx", "merge.after_tx", "merge.after_complete",
    }  # fmt: skip

    assert expected <= POINTS.keys()


def landed_once(board: Board) -> Landing:
    """A run of two tasks of which one has landed."""
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    return board.land()


def test_a_lost_done_ref_is_made_again_from_the_trailer(board: Board) -> None:
    """The branch is the truth; the guard is repaired."""
    landing = landed_once(board)
    done = task_ref("done", board.run, landing.task)
    board.hub.git.run("update-ref", "-d", done)

    assert board.queue().reconcile() == ()

    assert board.hub.resolve(done) == landing.commit


def test_a_done_ref_that_the_branch_does_not_know_freezes_it(board: Board) -> None:
    """Nothing lands any more, the reason names both sides, and nothing is guessed."""
    landed_once(board)
    board.hub.create_refs({task_ref("done", board.run, "two"): board.user.head()})
    board.hand_in(write("src/b.py", "b = 2\n"))
    tip = board.hub.tip(board.branch)

    queue = board.queue()
    (frozen,) = queue.reconcile()
    landing = queue.land_next()

    assert frozen.branch == board.branch
    assert board.user.head()[:12] in frozen.reason
    assert board.branch in frozen.reason
    assert landing is not None
    assert (landing.outcome, landing.reason) == (Outcome.FROZEN, frozen.reason)
    assert board.hub.tip(board.branch) == tip


def test_two_landings_of_one_task_freeze_the_branch(board: Board) -> None:
    """The reason names both commits."""
    landing = landed_once(board)
    git = board.hub.git
    message = git.run("log", "-1", "--format=%B", landing.commit)
    env = {
        "GIT_AUTHOR_NAME": "x",
        "GIT_AUTHOR_EMAIL": "x",
        "GIT_COMMITTER_NAME": "x",
        "GIT_COMMITTER_EMAIL": "x",
    }
    again = git.run("commit-tree", f"{landing.commit}^{{tree}}", "-p", landing.commit, stdin=message, env=env)
    twice = again.decode().strip()
    board.hub.create_refs({f"refs/heads/{board.branch}": twice})

    (frozen,) = board.queue().reconcile()

    assert landing.commit[:12] in frozen.reason
    assert twice[:12] in frozen.reason
    assert board.violations() != []
