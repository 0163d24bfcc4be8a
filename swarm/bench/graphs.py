"""Task graphs to measure with: four made ones, and any from a file."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from swarm.errors import UsageError

SHOWN_CHARS = 60
"""Of a value that is wrong."""

Graph = list[tuple[str, list[str]]]
"""Tasks with the tasks that they depend on, in topological order."""


def independent(tasks: int) -> Graph:
    """Tasks that depend on nothing."""
    return [(str(task), []) for task in range(tasks)]


def chain(tasks: int) -> Graph:
    """Each task depends on the one before."""
    return [(str(task), [str(task - 1)] if task else []) for task in range(tasks)]


def fan(tasks: int) -> Graph:
    """One task, then all but two at once, then one that needs all of these."""
    middle = [str(task) for task in range(1, max(2, tasks - 1))]
    return [("0", []), *((task, ["0"]) for task in middle), (str(len(middle) + 1), middle)]


def layered(tasks: int, *, depth: int = 40) -> Graph:
    """`depth` layers; each task needs one of the layer above and two of anywhere above; seeded."""
    chance, width = random.Random(7), max(1, tasks // depth)  # noqa: S311  # the same graph each time
    graph: Graph = []
    for task in range(tasks):
        layer = task // width
        if layer == 0:
            graph.append((str(task), []))
            continue
        above = chance.randrange((layer - 1) * width, layer * width)
        needs = {above, *(chance.randrange(layer * width) for _ in range(2))}
        graph.append((str(task), [str(need) for need in sorted(needs)]))
    return graph


WORKLOADS: dict[str, Callable[[int], Graph]] = {
    "independent": independent,
    "chain": chain,
    "fan": fan,
    "layered": layered,
}


def read_graph(path: Path) -> Graph:
    """A graph from `[[id, [dependencies]], …]`, put into topological order.

    Raises:
        UsageError: it is not such a list, names an unknown task, or has a cycle; says where.
    """
    hint = 'write [[id, [dependencies]], …], such as [["a", []]]'
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="--dag names a JSON file") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON: {error}", hint=hint) from error
    if not isinstance(rows, list):
        raise UsageError(f"{path}: not a graph: an array is wanted, not {_found(rows)}", hint=hint)
    for number, row in enumerate(rows):
        if not _is_row(row):
            raise UsageError(
                f"{path}: not a graph: $[{number}] is no [id, [dependencies]]: {_found(row)}", hint=hint
            )
    needs = {str(name): [str(need) for need in after] for name, after in rows}
    if len(needs) != len(rows):
        raise UsageError(f"{path}: a task is there twice", hint="give each its own id")
    unknown = sorted({need for after in needs.values() for need in after} - set(needs))
    if unknown:
        raise UsageError(f"{path}: unknown task {unknown[0]!r} is depended on", hint="add it")
    return _sorted(needs, path)


def _is_row(row: object) -> bool:
    """An id and a list of ids; an id is a string or a number."""
    if not isinstance(row, list) or len(row) != 2 or not isinstance(row[1], list):  # noqa: PLR2004
        return False
    return all(isinstance(name, str | int) for name in (row[0], *row[1]))


def _found(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"


def _sorted(needs: dict[str, list[str]], path: Path) -> Graph:
    from graphlib import CycleError, TopologicalSorter  # noqa: PLC0415  # for graphs from files only

    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise UsageError(
            f"{path}: a cycle: {' → '.join(error.args[1])}", hint="take one dependency away"
        ) from error
    return [(name, needs[name]) for name in order]
