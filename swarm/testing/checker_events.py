"""I6: whoever reads the event stream alone knows each task's state, attempts, failures and crashes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from swarm.engine.engine import Engine
from swarm.engine.records import Event, TaskRecord
from swarm.keys import member, split_member


@dataclass
class Replayed:
    """One task, from its events."""

    state: str = "pending"
    attempt: int = 0
    failures: int = 0
    setbacks: int = 0
    crashes: int = 0


def replay(engine: Engine, archived: Sequence[Event] = ()) -> dict[str, Replayed]:
    """Every task of the project, from its events alone: the archived ones, and the stream after them."""
    tasks: dict[str, Replayed] = {}
    for event in archived:
        _apply(tasks, event)
    after = archived[-1].id if archived else "0-0"
    while page := engine.events(after=after):
        for event in page:
            _apply(tasks, event)
        after = page[-1].id
    return tasks


def check_events(
    engine: Engine, tasks: Mapping[str, TaskRecord], archived: Sequence[Event] = ()
) -> Iterator[str]:
    """Violations of I6."""
    replayed = replay(engine, archived)
    for name, task in tasks.items():
        stored = Replayed(task.state, task.attempt, task.failures, task.setbacks, task.crashes)
        if replayed.get(name) != stored:
            yield f"I6 {name} is {stored}, but its events end in {replayed.get(name)}"
    for name in replayed.keys() - tasks.keys():
        yield f"I6 {name} has events, but is not stored"


def _apply(tasks: dict[str, Replayed], event: Event) -> None:
    fields = event.fields
    if event.kind == "tasks_added":
        tasks |= {member(event.run, task): Replayed() for task in fields["ids"].split("\n")}
    queued = fields.get("ids" if event.kind == "tasks_queued" else "queued", "")
    for task in filter(None, queued.split("\n")):
        tasks.setdefault(member(event.run, task), Replayed()).state = "queued"
    if event.kind == "run_removed":
        for name in [name for name in tasks if split_member(name)[0] == event.run]:
            del tasks[name]
    if not event.task:
        return
    known = tasks.setdefault(member(event.run, event.task), Replayed())
    if event.kind == "task_retried":
        known.failures = known.setbacks = known.crashes = 0
    for name in ("attempt", "failures", "setbacks", "crashes"):
        setattr(known, name, int(fields.get(name) or getattr(known, name)))
    known.state = fields.get("state", known.state)
