"""What is doubtful about a plan that can run: tasks that will wait for each other, scopes too wide.

`error` is a plan that says itself it cannot succeed; `warning` is for a person to weigh.
"""

import bisect
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from swarm.errors import PlanError, Problem
from swarm.plan.model import DEFAULT_ESTIMATE_S, SERVED_EXECUTORS, Plan, TaskSpec
from swarm.plan.ordering import Pair, unordered
from swarm.plan.reading import shown
from swarm.plan.scope import WHOLE_REPOSITORY, literal_prefix

_NEIGHBOURS = 8
_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One doubt about a plan."""

    level: Literal["error", "warning"]
    path: str  # JSON path
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class _Place(NamedTuple):
    """One pattern of one task."""

    task: int  # position in plan.tasks
    field: str
    item: int  # position in the field
    prefix: str  # what it locks; empty for the whole repository


Clash = tuple[_Place, _Place]
"""Two places that overlap, the one of the earlier task first."""


def lint(plan: Plan) -> list[Finding]:
    """Every finding, errors first. Near linear: at most one finding for each pattern and rule."""
    writes, reads = _places(plan, "files"), _places(plan, "reads")
    findings = [finding for rule in _RULES for finding in rule(plan, writes, reads)]
    return sorted(findings, key=lambda finding: finding.level)


def refuse(findings: Sequence[Finding], *, source: str) -> None:
    """Let warnings pass.

    Raises:
        PlanError: there are errors among the findings; holds all of them.
    """
    errors = [Problem(one.path, one.message, one.hint) for one in findings if one.level == "error"]
    if errors:
        count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
        raise PlanError(f"{source}: {count}", errors, hint="mend them and try again")


def _reserved_executors(plan: Plan, _writes: list[_Place], _reads: list[_Place]) -> Iterator[Finding]:
    for task in plan.tasks:
        if task.executor not in SERVED_EXECUTORS:
            message = f"{shown(task.id)} wants executor {task.executor!r}, which no worker serves yet"
            hint = f"use one of {', '.join(SERVED_EXECUTORS)}"
            yield Finding("error", _path(plan, task, "executor"), message, hint)


def _late_tasks(plan: Plan, _writes: list[_Place], _reads: list[_Place]) -> Iterator[Finding]:
    for task in plan.tasks:
        # The default estimate says nothing about this task.
        if task.estimate_s > task.timeout_s and task.estimate_s != DEFAULT_ESTIMATE_S:
            message = (
                f"{shown(task.id)} is estimated at {task.estimate_s:g} s and ended after {task.timeout_s:g} s"
            )
            yield Finding(
                "error", _path(plan, task, "estimate_s"), message, "raise timeout_s, or split the task"
            )


def _wide_scopes(plan: Plan, writes: list[_Place], _reads: list[_Place]) -> Iterator[Finding]:
    for place in writes:
        if not place.prefix:
            task = plan.tasks[place.task]
            message = f"{shown(task.id)} may write the whole repository ({task.files[place.item]!r})"
            yield Finding("warning", _at(plan, place), message, "nothing runs beside it; name its folders")


def _missing_acceptance(plan: Plan, _writes: list[_Place], _reads: list[_Place]) -> Iterator[Finding]:
    asked = [task for task in plan.tasks if task.executor != "command"]
    bare = [task for task in asked if not task.acceptance and task.files]
    if bare:
        names = ", ".join(shown(task.id) for task in bare[:_NAMED]) + (", …" if len(bare) > _NAMED else "")
        message = f"{len(bare)} of {len(asked)} agent tasks have no acceptance command: {names}"
        yield Finding(
            "warning", _path(plan, bare[0], "acceptance"), message, "only the project's gate will judge them"
        )


def _duplicates(plan: Plan, _writes: list[_Place], _reads: list[_Place]) -> Iterator[Finding]:
    first: dict[object, TaskSpec] = {}
    for task in plan.tasks:
        work = (task.description.strip().casefold(), task.type, task.files, task.command, task.context)
        twin = first.setdefault(work, task)
        if twin is not task:
            message = f"{shown(task.id)} asks for the same as {shown(twin.id)}"
            yield Finding("warning", _path(plan, task, "description"), message, "remove one of them")


def _contended_writes(plan: Plan, writes: list[_Place], _reads: list[_Place]) -> Iterator[Finding]:
    """Unordered tasks whose write scopes overlap."""
    writers = _by_prefix(writes)
    tasks = _tasks_of(writers)
    pairs: dict[Pair, Clash] = {}
    for prefix, places in writers.items():
        # In a topological order, tasks that are all ordered are ordered one by one: neighbours tell.
        for one, other in itertools.pairwise(places):
            _note(pairs, one, other)
        for folder in _folders_above(prefix):
            for place in places if folder in writers else ():
                for neighbour in writers[folder][_nearest(tasks[folder], place.task, 1)]:
                    _note(pairs, place, neighbour)
    free = unordered(plan, pairs)
    alike: dict[str, list[Clash]] = defaultdict(list)
    for pair, clash in pairs.items():
        if pair in free:
            alike[_deeper(clash)].append(clash)
    for prefix, clashes in alike.items():
        names = _names(plan, clashes)
        message = f"{names} write {shown(prefix)}, in no fixed order"
        yield Finding(
            "warning", _at(plan, clashes[0][0]), message, "they will wait for each other; order or merge them"
        )


def _unsettled_reads(plan: Plan, writes: list[_Place], reads: list[_Place]) -> Iterator[Finding]:
    """Tasks that read what an unordered task writes; of many writers only the nearest are looked at."""
    readers: dict[Pair, _Place] = {}  # where the one of the two reads; the other one writes
    for place, writers in _writers_near(writes, reads):
        reader = place.task
        for writer in writers:
            if writer != reader:
                readers.setdefault((reader, writer) if reader < writer else (writer, reader), place)
    free = unordered(plan, readers)
    alike: dict[str, list[Pair]] = defaultdict(list)
    for pair, place in readers.items():
        if pair in free:
            alike[place.prefix].append(pair)
    for prefix, pairs in alike.items():
        place = readers[pairs[0]]
        writer = next(task for task in pairs[0] if task != place.task)
        more = f" (and {len(pairs) - 1} pairs like them)" if len(pairs) > 1 else ""
        path = shown(prefix or WHOLE_REPOSITORY)
        who = f"{_named(plan, place.task)} reads {path}, which {_named(plan, writer)} writes"
        message = f"{who}, in no fixed order{more}"
        yield Finding("warning", _at(plan, place), message, "make one depend on the other")


def _writers_near(writes: list[_Place], reads: list[_Place]) -> Iterator[tuple[_Place, Sequence[int]]]:
    """Each place that is read, with tasks nearest to its own that write there, above it, or below it."""
    writers = _tasks_of(_by_prefix(writes))
    paths = sorted(writers)
    for place in reads:
        for folder in (place.prefix, *_folders_above(place.prefix)):
            if folder in writers:
                tasks = writers[folder]
                yield place, tasks[_nearest(tasks, place.task, _NEIGHBOURS)]
        below = place.prefix + "/" if place.prefix else ""
        start = bisect.bisect_left(paths, below)
        for path in paths[start : start + _NEIGHBOURS]:
            if path.startswith(below):
                tasks = writers[path]
                yield place, tasks[_nearest(tasks, place.task, 1)]


_RULES: tuple[Callable[[Plan, list[_Place], list[_Place]], Iterator[Finding]], ...] = (
    _reserved_executors,
    _late_tasks,
    _wide_scopes,
    _missing_acceptance,
    _duplicates,
    _contended_writes,
    _unsettled_reads,
)


def _places(plan: Plan, field: str) -> list[_Place]:
    return [
        _Place(position, field, index, literal_prefix(pattern))
        for position, task in enumerate(plan.tasks)
        for index, pattern in enumerate(task.files if field == "files" else task.reads)
    ]


def _by_prefix(places: Sequence[_Place]) -> dict[str, list[_Place]]:
    """Places by what they lock, each list in the plan's order."""
    groups: dict[str, list[_Place]] = defaultdict(list)
    for place in places:
        groups[place.prefix].append(place)
    return dict(groups)


def _folders_above(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path


def _tasks_of(groups: Mapping[str, Sequence[_Place]]) -> dict[str, list[int]]:
    return {prefix: [place.task for place in places] for prefix, places in groups.items()}


def _nearest(tasks: Sequence[int], task: int, count: int) -> slice:
    """Where the nearest in the plan's order stand: `count` before and `count` after."""
    middle = bisect.bisect_left(tasks, task)
    return slice(max(middle - count, 0), middle + count + 1)


def _note(pairs: dict[Pair, Clash], one: _Place, other: _Place) -> None:
    if one.task < other.task:
        pairs.setdefault((one.task, other.task), (one, other))
    elif other.task < one.task:
        pairs.setdefault((other.task, one.task), (other, one))


def _deeper(clash: Clash) -> str:
    return max(clash[0].prefix, clash[1].prefix, key=len) or WHOLE_REPOSITORY


def _names(plan: Plan, clashes: Sequence[Clash]) -> str:
    tasks = list(dict.fromkeys(place.task for clash in clashes for place in clash))
    names = [shown(plan.tasks[task].id) for task in tasks[:_NAMED]]
    if len(tasks) > _NAMED:
        return f"{', '.join(names)} and {len(tasks) - _NAMED} more tasks"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _named(plan: Plan, task: int) -> str:
    return shown(plan.tasks[task].id)


def _at(plan: Plan, place: _Place) -> str:
    return _path(plan, plan.tasks[place.task], f"{place.field}[{place.item}]")


def _path(plan: Plan, task: TaskSpec, field: str) -> str:
    return f"{plan.where.get(task.id, f'tasks[{task.id!r}]')}.{field}"
