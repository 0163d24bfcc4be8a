"""Draw a plan, or a run as it stands: a tree for a terminal, Mermaid, Graphviz' dot."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from swarm.observe.wording import SHAPES, duration, one_line
from swarm.plan.model import Plan, TaskSpec
from swarm.states import TaskState

MOST_LEVELS = 20

_FILLS = {
    TaskState.QUEUED: "#d7f0f7",
    TaskState.ACKED: "#d6e4ff",
    TaskState.RUNNING: "#d6e4ff",
    TaskState.MERGING: "#ecdcff",
    TaskState.DONE: "#d9f2d9",
    TaskState.FAILED: "#ffd6d6",
    TaskState.UPSTREAM_FAILED: "#fff0c2",
    TaskState.CANCELLED: "#fff0c2",
}
"""Fill of a state in drawings; the word is in the label as well."""


def draw_tree(plan: Plan, states: Mapping[str, TaskState] | None = None) -> str:
    """Every task once, under the dependency that it starts after last; other dependencies are named.

    Iterative: plans may be 10,000 tasks deep.
    """
    under = _deepest_dependency(plan)
    children: dict[str, list[TaskSpec]] = defaultdict(list)
    for task in plan.tasks:
        children[under[task.id]].append(task)
    lines: list[str] = []
    stack = [(task, "", i == 0, 0) for i, task in enumerate(reversed(children[""]))]
    while stack:
        task, indent, is_last, depth = stack.pop()
        branch = "" if not depth else "└─ " if is_last else "├─ "
        # A chain of thousands would be indented to megabytes: from here on the depth is a number.
        number = f"{depth}: " if depth > MOST_LEVELS else ""
        lines.append(f"{indent}{branch}{number}{_label(task, under[task.id], states)}")
        if depth and depth < MOST_LEVELS:
            indent += "   " if is_last else "│  "
        stack += [(child, indent, i == 0, depth + 1) for i, child in enumerate(reversed(children[task.id]))]
    return "\n".join(lines)


def draw_mermaid(plan: Plan, states: Mapping[str, TaskState] | None = None) -> str:
    """A Mermaid flowchart, as GitHub shows it."""
    names = {task.id: f"t{i}" for i, task in enumerate(plan.tasks)}
    lines = ["flowchart LR"]
    for task in plan.tasks:
        state = states.get(task.id) if states else None
        label = f"{task.id}<br/>{SHAPES[state]} {state.value}" if state else f"{task.id}<br/>{task.type}"
        lines.append(f'  {names[task.id]}["{_mermaid(label)}"]')
    lines += [f"  {names[dep]} --> {names[task.id]}" for task in plan.tasks for dep in task.dependencies]
    for state, fill in _FILLS.items() if states else ():
        members = [names[task.id] for task in plan.tasks if (states or {}).get(task.id) is state]
        if members:
            lines += [
                f"  classDef {state.value} fill:{fill},color:#111",
                f"  class {','.join(members)} {state.value}",
            ]
    return "\n".join(lines)


def draw_dot(plan: Plan, states: Mapping[str, TaskState] | None = None) -> str:
    """A Graphviz digraph, for `dot -Tsvg`."""
    lines = ["digraph plan {", '  rankdir=LR; node [shape=box, style="rounded,filled", fillcolor=white];']
    for task in plan.tasks:
        state = states.get(task.id) if states else None
        label = f"{task.id}\n{state.value if state else task.type}"
        fill = f", fillcolor={_quoted(_FILLS[state])}" if state in _FILLS else ""
        lines.append(f"  {_quoted(task.id)} [label={_quoted(label)}{fill}];")
    lines += [f"  {_quoted(dep)} -> {_quoted(task.id)};" for task in plan.tasks for dep in task.dependencies]
    return "\n".join([*lines, "}"])


def _deepest_dependency(plan: Plan) -> dict[str, str]:
    """For each task the dependency with the longest chain before it; empty for a root."""
    depth: dict[str, int] = {}
    under: dict[str, str] = {}
    for task in plan.tasks:
        under[task.id] = max(task.dependencies, key=lambda dep: depth[dep], default="")
        depth[task.id] = depth[under[task.id]] + 1 if under[task.id] else 0
    return under


def _label(task: TaskSpec, under: str, states: Mapping[str, TaskState] | None) -> str:
    head = f"{SHAPES[states[task.id]]} " if states and task.id in states else ""
    state = f"  {states[task.id].value}" if states and task.id in states else ""
    others = [dep for dep in task.dependencies if dep != under]
    after = f"  (also after {_some(others)})" if others else ""
    files = f"  {_some(task.files)}" if task.files else ""
    more = f"{state}{files}{_looked_at(task)}{after}"
    return f"{head}{one_line(task.id)}  {task.type} {duration(task.expected_s)}{more}"


def _looked_at(task: TaskSpec) -> str:
    """Who looks at its attempts before they are handed in; nothing where nobody does."""
    words = [
        *(["reviewed"] if task.review else []),
        *([f"best of {task.best_of}"] if task.best_of > 1 else []),
    ]
    return f"  ({', '.join(words)})" if words else ""


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(one_line(name) for name in names[:3])
    return shown + (f" +{len(names) - 3}" if len(names) > 3 else "")  # noqa: PLR2004  # three fit on a line


def _mermaid(text: str) -> str:
    parts = (one_line(part) for part in text.split("<br/>"))
    escaped = (
        p.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
        for p in parts
    )
    return "<br/>".join(escaped)


def _quoted(text: str) -> str:
    lines = (one_line(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'
