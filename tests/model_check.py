"""Compares what is stored with what the reference model says, field by field, in one round trip."""

from collections import Counter
from collections.abc import Iterator

from swarm.engine.locks import compile_locks
from swarm.engine.store import Store
from swarm.engine.stored import claim_fields
from swarm.engine.words import hash_of, text_of, words_of
from swarm.keys import Keys
from swarm.states import TaskState
from swarm.testing.model import HELD, LEASED, Model, Run, Task

NUMBERS = ("attempt", "token", "failures", "setbacks", "crashes", "score")
TASK_FIELDS = (
    *("state", "claim", "failures", "setbacks", "crashes", "score"),
    *(
        "merged_commit",
        "merge_token",
        "not_before_ms",
        "usage",
        "spent",
        "skipped_ms",
        "tried_by",
        "parked_on",
    ),
)
RUN_FIELDS = ("state", "ended_ms", "paused", "tip", "tip_token")
COUNTED = ("readers", "wide")
SLOT_FIELDS = ("merger", "task", "merge_token", "until_ms")


def differences(store: Store, keys: Keys, model: Model) -> list[str]:
    """Each field that differs, as a sentence; then the model knows which tasks stand parked."""
    tasks, runs = list(model.tasks.values()), list(model.runs)
    commands: list[list[str]] = [["HMGET", keys.of("task", task.name), *TASK_FIELDS] for task in tasks]
    commands += [["ZSCORE", keys.of("leases"), task.name] for task in tasks]
    commands += [["HMGET", keys.of("run", run), *RUN_FIELDS] for run in runs]
    commands += [["HMGET", keys.of("slot", f"swarm/{run}"), *SLOT_FIELDS] for run in runs]
    rest = [["HGET", keys.of("meta"), "turn"], ["HGET", keys.of("meta"), "fence"], ["LLEN", keys.of("work")]]
    locks = [["ZRANGE", keys.of("locks"), "0", "-1"], *(["HGETALL", keys.of(part)] for part in COUNTED)]
    replies = iter(store.pipeline([*commands, *rest, *locks]))
    hashes = [dict(zip(TASK_FIELDS, words_of(next(replies)), strict=True)) for _ in tasks]
    found: list[str] = []
    for task, stored in zip(tasks, hashes, strict=True):
        found += _of_task(task, stored | claim_fields(stored["claim"]) | {"lease": text_of(next(replies))})
    ends = [words_of(next(replies)) for _ in runs]
    for run, end in zip(runs, ends, strict=True):
        found += _unequal(run, _of_run(model.runs[run]), [*end, *words_of(next(replies))])
    model.turns |= set(filter(None, [text_of(next(replies)).partition(" ")[2]]))
    for task, stored in zip(tasks, hashes, strict=True):
        was_parked, task.is_parked = task.is_parked, bool(stored["parked_on"])
        if task.is_parked and not was_parked and not model.in_the_way(task):
            found.append(f"{task.name}: parked on {stored['parked_on']!r}, but nothing blocks it")
    found += _unequal("fence", [str(model.fence)], [text_of(next(replies)) or "0"])
    found += _unequal("left-over work", [""], [text_of(next(replies))])
    table = (set(words_of(next(replies))), *(hash_of(next(replies)) for _ in COUNTED))
    expected = lock_table(tasks)
    return found + ([f"locks are {table}, the model says {expected}"] if table != expected else [])


def lock_table(tasks: list[Task]) -> tuple[set[str], dict[str, str], dict[str, str]]:
    """What is locked alone, how often what is shared, and how often what is wide: by whoever holds it."""
    locks = [lock for task in tasks if task.state in HELD for lock in compile_locks(task.spec)]
    shared = Counter(lock.node for lock in locks if lock.mode == "S")
    wide = Counter(lock.mode + lock.node for lock in locks if lock.is_wide)
    alone = {lock.node for lock in locks if lock.mode == "X"}
    counts = [{node: str(times) for node, times in part.items()} for part in (shared, wide)]
    return alone, counts[0], counts[1]


def _of_task(task: Task, stored: dict[str, str]) -> Iterator[str]:
    def number(name: str) -> int:
        return int(float(stored[name].split(" ")[0] or 0))

    expected = {
        "state": task.state.value,
        "worker": task.worker,
        "base": task.base,
        "merged_commit": task.merged_commit,
    }
    numbers = {name: getattr(task, name) for name in NUMBERS} | {"usage": task.usage}
    if task.state in HELD:
        numbers["spent"] = task.spent
    if task.state is TaskState.MERGING:
        numbers["merge_token"] = task.merge_token
    if task.state is TaskState.QUEUED:
        numbers["not_before_ms"] = task.not_before_ms
    numbers["lease"] = task.lease_ends_ms if task.state in LEASED else 0
    for name, value in (expected | numbers).items():
        actual = number(name) if name in numbers else stored[name]
        if actual != value:
            yield f"{task.name}: {name} is {actual!r}, the model says {value!r}"
    if bool(number("skipped_ms")) != task.was_skipped:
        yield f"{task.name}: skipped at {stored['skipped_ms']!r}, the model says {task.was_skipped}"
    if set(stored["tried_by"].split()) != task.tried_by:
        yield f"{task.name}: tried by {stored['tried_by']!r}, the model says {task.tried_by}"


def _of_run(run: Run) -> list[str]:
    merger, merge_token, until_ms = run.slot
    train = "\n".join(task.name for task in run.train)
    slot = [merger, train, str(merge_token), str(until_ms)] if train else [""] * 4
    return [
        run.state,
        str(run.state != "active"),
        "1" if run.is_paused else "",
        run.tip,
        str(run.tip_token),
        *slot,
    ]


def _unequal(name: str, expected: list[str], stored: list[str]) -> list[str]:
    if len(stored) > 1:
        stored[1] = str(stored[1] != "0")
    return [f"{name} is {stored}, the model says {expected}"] if stored != expected else []
