"""The checker: one call that ends every test and soak, whatever happened before.

| | what must hold | read from |
|---|---|---|
| I1 | every task is terminal or can be reached, and stands where its state says | keys |
| I2 | a done task that was handed in has one landing, or is known to change nothing; no other has one | git |
| I3 | a dependency is done before its dependent starts | keys |
| I4 | no two held tasks overlap; the lock table is what they hold, and so is what people see | keys |
| I5 | fences strictly rise along a branch | git |
| I6 | replaying the events gives each task's state, attempts, failures and crashes | events |
| I7 | failures and crashes stay within their caps | keys |
| I8 | a while after a run no process and no workspace of it is left | the machine |
| I9 | limited types know exactly who holds their tasks (there are no budgets yet) | keys |
| I10 | a secret of swarm's environment is in no key, event, log, file or commit | everywhere |
"""

from collections.abc import Sequence
from pathlib import Path

from swarm.engine.engine import Engine
from swarm.engine.records import Event, TaskRecord
from swarm.engine.store import Store
from swarm.keys import member
from swarm.repo.hub.hub import Hub
from swarm.states import TaskState
from swarm.testing.checker_events import check_events
from swarm.testing.checker_git import check_history
from swarm.testing.checker_keys import check_keys
from swarm.testing.checker_leftovers import QUIET_S, check_canary, check_leftovers


def check_everything(
    engine: Engine,
    store: Store,
    *,
    home: Path | None = None,
    hubs: Sequence[Path] = (),
    canary: str = "",
    within_s: float = QUIET_S,
    archived: Sequence[Event] = (),
) -> list[str]:
    """Every violation there is, as a sentence; no call may be under way.

    Args:
        engine: of the project.
        store: a connection to its server.
        home: the folder of swarm's state; without one, what git and the machine hold is not looked at. Git is
            held to runs that have ended, and leftovers are looked for when all have.
        hubs: the repositories that runs may be in; a run is held to the first with its branch. By default the
            home's own: where hosts share a hub, that is none.
        canary: a secret of the environment that swarm ran in.
        within_s: for how long leftovers may be there.
        archived: the events from the first up to where the stream was trimmed.
    """
    runs = {run: engine.run(run) for run in engine.run_ids()}
    tasks = {member(run, task.spec.id): task for run in runs for task in engine.tasks(run)}
    found = [*check_keys(engine, store), *check_events(engine, tasks, archived)]
    ended = [record for record in runs.values() if record.state.is_terminal]
    if home is not None and not hubs and (home / "repo.git").exists():
        hubs = [home / "repo.git"]
    for record in ended if hubs else ():
        done = [
            task.spec.id
            for task in tasks.values()
            if task.run == record.run and task.state is TaskState.DONE and may_land(task)
        ]
        its_own = next((hub for hub in hubs if Hub(hub).tip(record.branch)), hubs[0])
        found += check_history(its_own, record.branch, done)
    if home is not None and len(ended) == len(runs):
        found += check_leftovers(home, within_s=within_s)
    if canary:
        found += check_canary(canary, store, home)
    return found


def may_land(task: TaskRecord) -> bool:
    """Whether a task became done by a merge: not a join, nor one whose worker found nothing to hand in."""
    return bool(task.spec.files) and not task.join and bool(task.handed_in_ms or task.merged_commit)


def assert_sound(engine: Engine, store: Store) -> None:
    """Fail with every violation there is in Redis."""
    found = check_everything(engine, store)
    assert not found, "\n".join(found)
