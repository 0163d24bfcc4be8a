"""Holding Redis to what git proves: the trailers on a branch's first-parent history are the truth."""

from dataclasses import dataclass

import structlog

from swarm.engine.engine import Engine
from swarm.engine.records import RunRecord
from swarm.errors import HubDeclinedError, OtherHubError, UnknownRunError
from swarm.repo.git.command import GitError
from swarm.repo.git.trailers import Landed
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import refuse_other_hub
from swarm.repo.hub.putting_back import newest_of, put_back
from swarm.repo.hub.refs import hash_task, task_ref
from swarm.repo.hub.user_repository import is_ancestor
from swarm.states import RunState, TaskState


@dataclass(frozen=True)
class Frozen:
    """A branch that nothing may land on until a person has looked: its records contradict each other."""

    run: str
    branch: str
    reason: str
    command: str = ""  # what mends it, where the branch was only moved back

    @property
    def told(self) -> str:
        """The reason, and what to type on this host; `swarm.observe.person` knows it by these words."""
        if not self.command:
            return self.reason
        return f"{self.reason}; if it was moved back, put it back: `{self.command}`"


def find_frozen(hub: Hub, run: str, branch: str, base: str) -> Frozen | None:
    """What contradicts each other in the records of a run in git, if anything; whatever Redis knows."""
    guards = hub.done_refs(run)
    if hub.tip(branch) is None and not guards:
        return None
    reason = _contradiction(run, branch, hub.landings(branch, base), guards)
    if not reason:
        return None
    newest = newest_of(hub, set(guards.values()))
    return Frozen(run, branch, reason, put_back(hub, branch, newest) if newest else "")


class Reconciler:
    """Compares branches with their done-refs and with Redis, and repairs what git proves."""

    def __init__(self, engine: Engine, hub: Hub) -> None:
        self._engine = engine
        self._hub = hub
        self._verified: dict[str, str] = {}  # branch -> the tip at which all was in order
        self._seen: dict[str, str] = {}  # branch -> the tip that was looked at

    def reconcile_all(self) -> tuple[Frozen, ...]:
        """Reconcile every run that Redis does not hold for done; return the branches that are frozen."""
        records = map(self._engine.run, self._engine.run_ids())
        found = [self._reconcile_or_freeze(record) for record in records if record.state != RunState.DONE]
        return tuple(frozen for frozen in found if frozen)

    def look_at_active(self) -> None:
        """Let attempts begin at what somebody else has put on the branch of an active run; a rev-parse each.

        Where hosts share the hub this waits for the next landing, which fetches from there in any case.
        """
        for run in self._engine.run_ids() if self._hub.remote is None else ():
            try:
                record = self._engine.run(run)
                if record.state == RunState.ACTIVE:
                    self._look_at(record)
            except UnknownRunError:  # it was removed meanwhile
                continue
            except (GitError, OSError) as error:  # the next landing says it
                structlog.get_logger().debug("branch not looked at", run=run, error=str(error))

    def _look_at(self, record: RunRecord) -> None:
        tip = self._hub.tip(record.branch)
        if tip in {None, record.tip, self._seen.get(record.branch)}:
            return
        # What has landed is told by whoever landed it, with all that only they know of it.
        if tip and not self._hub.landings(record.branch, f"{tip}^"):
            self._follow(record.run, tip)
        self._seen[record.branch] = str(tip)

    def _reconcile_or_freeze(self, record: RunRecord) -> Frozen | None:
        """One run whose history is damaged keeps no other from landing."""
        try:
            refuse_other_hub(self._hub, record)
            self._hub.mirror_run(record.run, record.branch)
            return self.reconcile_run(record)
        except OtherHubError:
            return None  # whoever merges there looks after it
        except HubDeclinedError as error:  # what is missing is looked for before the next landing, too
            structlog.get_logger().warning("not reconciled", run=record.run, error=error.message)
            return None
        except (GitError, OSError) as error:
            return Frozen(record.run, record.branch, f"branch {record.branch!r} cannot be read: {error}")

    def reconcile_run(self, record: RunRecord) -> Frozen | None:
        """Create missing done-refs, complete in Redis what has landed, and sweep attempts of landed tasks.

        Costs one `rev-parse` while the branch is where it was verified last. Whoever shares the hub with
        other hosts has mirrored the run.
        """
        tip = self._hub.tip(record.branch)
        if tip is None or self._verified.get(record.branch) == tip:
            return None
        if frozen := find_frozen(self._hub, record.run, record.branch, record.base):
            return frozen
        landings = self._hub.landings(record.branch, record.base)
        guards = self._hub.done_refs(record.run)
        expected = {task_ref("done", record.run, landed.task): landed.commit for landed in landings}
        missing = {ref: commit for ref, commit in expected.items() if ref not in guards}
        if missing:
            self._hub.create_refs(missing)
        self._complete_landed(record.run, landings)
        self._sweep_landed(record.run, landings)
        self._follow(record.run, tip)
        self._verified[record.branch] = tip
        return None

    def _follow(self, run: str, tip: str) -> None:
        """Attempts begin at what somebody else has put on the branch: they are merged onto it anyway."""
        known = self._engine.run(run).tip
        if known != tip and is_ancestor(self._hub.git, known, tip):
            self._engine.follow(run, known=known, tip=tip)

    def verified(self, branch: str, tip: str) -> None:
        """The branch was in order, and the caller itself has just moved it to `tip`."""
        self._verified[branch] = tip

    def forget(self, branch: str) -> None:
        """Look at everything again the next time."""
        self._verified.pop(branch, None)

    def _complete_landed(self, run: str, landings: tuple[Landed, ...]) -> None:
        states = {record.spec.id: record.state for record in self._engine.tasks(run)}
        for landed in landings:
            # What a task was expanded into is not in its plan: a Redis that was emptied does not know it yet.
            if states.get(landed.task, TaskState.DONE) != TaskState.DONE:
                self._engine.reconcile(
                    run,
                    landed.task,
                    attempt=landed.attempt,
                    merge_token=landed.merge_token,
                    commit=landed.commit,
                    tip=(landings[-1].commit, landings[-1].merge_token),
                )

    def _sweep_landed(self, run: str, landings: tuple[Landed, ...]) -> None:
        kept = {ref.split("/")[4] for ref in self._hub.refs_under(f"refs/swarm/attempt/{run}/")}
        for landed in landings:
            if hash_task(landed.task) in kept:
                self._hub.sweep_attempts(run, landed.task)


def _contradiction(run: str, branch: str, landings: tuple[Landed, ...], guards: dict[str, str]) -> str:
    """What cannot both be true, naming both sides; empty when all is in order."""
    by_ref: dict[str, Landed] = {}
    for landed in landings:
        ref = task_ref("done", run, landed.task)
        earlier = by_ref.setdefault(ref, landed)
        if earlier is not landed:
            return (
                f"branch {branch!r}: task {landed.task!r} has landed twice,"
                f" as {earlier.commit[:12]} and as {landed.commit[:12]}"
            )
        if landed.run != run:
            return (
                f"branch {branch!r} belongs to run {run!r},"
                f" but {landed.commit[:12]} landed task {landed.task!r} of run {landed.run!r}"
            )
    for ref, commit in guards.items():
        if ref not in by_ref:
            return f"{ref} says that {commit[:12]} has landed, but branch {branch!r} does not have it"
        if by_ref[ref].commit != commit:
            return (
                f"task {by_ref[ref].task!r} landed as {by_ref[ref].commit[:12]} on branch {branch!r},"
                f" but {ref} says {commit[:12]}"
            )
    return ""
