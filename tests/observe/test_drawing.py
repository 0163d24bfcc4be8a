"""Drawings of plans and runs."""

from dataclasses import replace

from swarm.observe.drawing import MOST_LEVELS, draw_dot, draw_mermaid, draw_tree
from swarm.plan.model import Plan, TaskSpec
from swarm.states import TaskState


def task(task_id: str, *after: str, files: tuple[str, ...] = ()) -> TaskSpec:
    return TaskSpec(task_id, f"Do {task_id}", dependencies=after, files=files, estimate_s=60)


DIAMOND = Plan(
    (
        task("root"),
        task("left", "root"),
        task("deep", "left"),
        task("right", "root"),
        task("join", "right", "deep"),
    )
)


def test_each_task_stands_once_under_the_dependency_with_the_longest_way() -> None:
    """What else it waits for is named beside it."""
    assert draw_tree(DIAMOND).splitlines() == [
        "root  general 1m00s",
        "├─ left  general 1m00s",
        "│  └─ deep  general 1m00s",
        "│     └─ join  general 1m00s  (also after right)",
        "└─ right  general 1m00s",
    ]


def test_several_roots_stand_side_by_side() -> None:
    """Independent tasks are not hung under each other."""
    assert draw_tree(Plan((task("a"), task("b")))).splitlines() == ["a  general 1m00s", "b  general 1m00s"]


def test_a_chain_of_thousands_stays_narrow() -> None:
    """From some depth on the level is a number: a drawing grows with its tasks, not with their square."""
    chain = Plan(tuple(task(f"t{n}", *([f"t{n - 1}"] if n else [])) for n in range(5000)))

    lines = draw_tree(chain).splitlines()

    assert len(lines) == 5000
    assert max(map(len, lines)) < 3 * MOST_LEVELS + 40
    assert lines[-1].endswith("└─ 4999: t4999  general 1m00s")


def test_states_are_words_in_every_form() -> None:
    """A drawing without colour says as much."""
    states = {"a": TaskState.DONE, "b": TaskState.RUNNING}
    plan = Plan((task("a"), task("b", "a")))

    assert draw_tree(plan, states).splitlines()[1] == "└─ ◐ b  general 1m00s  running"
    assert 't1["b<br/>◐ running"]' in draw_mermaid(plan, states)
    assert '"b" [label="b\\nrunning"' in draw_dot(plan, states)


HOSTILE = 'a"];\nx<script>&\\'


def test_names_cannot_break_out_of_a_mermaid_label() -> None:
    """Quotes, markup and line ends of a name are text in the label."""
    lines = draw_mermaid(Plan((task(HOSTILE),))).splitlines()

    assert lines == ["flowchart LR", '  t0["a#quot;]; x#lt;script#gt;#amp;\\<br/>general"]']


def test_names_cannot_break_out_of_a_dot_string() -> None:
    """The same for Graphviz."""
    lines = draw_dot(Plan((task('q"; x\\'), task("b", 'q"; x\\')))).splitlines()

    assert '  "q\\"; x\\\\" -> "b";' in lines


def test_a_tree_says_who_looks_at_attempts() -> None:
    """A reviewer, a judge of several, or nobody."""
    looked_at = replace(task("a", files=("a.py",)), review=True, best_of=3)
    reviewed = replace(task("b"), review=True)

    assert draw_tree(Plan((looked_at, reviewed, task("c")))).splitlines() == [
        "a  general 3m00s  a.py  (reviewed, best of 3)",
        "b  general 1m00s  (reviewed)",
        "c  general 1m00s",
    ]
