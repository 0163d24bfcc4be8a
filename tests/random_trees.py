"""Random repositories of few names and few lines, and random edits of them."""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st
from tree_merge import EXECUTABLE, LINK, REGULAR, Node, Tree

NAMES = ("a", "b", "c", "d/a", "d/b", "d/e/a", "g/a", "g/ü b", "d", "g", "a/in")
"""Some are folders of others."""

line = st.sampled_from([b"p\n", b"q\n", b"r\n", b"s\n", b"t\n", b"u\n"])
few = st.lists(line, min_size=5, max_size=9)
different = st.permutations([b"line %d\n" % number for number in range(9)]).map(list)
texts = st.one_of(few, few, different).map(b"".join)
files = st.one_of(
    *[st.builds(Node, st.just(REGULAR), texts)] * 2,
    st.builds(Node, st.sampled_from([REGULAR, REGULAR, EXECUTABLE]), texts),
    st.builds(Node, st.just(REGULAR), texts.map(lambda text: text[:-1])),  # its last line has no end
    st.builds(Node, st.just(REGULAR), st.sampled_from([b"", b"\0one", b"\0two", b"\0one\nmore\n"])),
    st.builds(Node, st.just(LINK), st.sampled_from([b"x", b"y"])),
)


class Step(NamedTuple):
    """One edit: what is done, to which of the files there are, and with what."""

    verb: str
    which: int
    name: str
    place: int
    length: int
    lines: list[bytes]
    node: Node


Steps = Sequence[Step]
VERBS = (
    *("edit",) * 6, *("move line",) * 3, "add", "add", "delete",
    "rename", "rename", "rename and edit", "rename and edit", "mode", "into folder", "into file", "replace",
)  # fmt: skip
steps = st.builds(
    Step,
    st.sampled_from(VERBS),
    st.integers(0, 7),
    st.sampled_from(NAMES),
    st.integers(0, 9),
    st.integers(0, 2),
    st.lists(st.one_of(line, st.sampled_from([b"new 1\n", b"new 2\n"])), max_size=2),
    files,
)
edits = st.lists(steps, min_size=1, max_size=3)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A repository of some files."""
    tree: dict[str, Node] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True)):
        tree = _with(tree, name, draw(files))
    return tree


def edited(tree: Tree, chosen: Steps) -> Tree:
    """The repository after these edits; what cannot be done is left out."""
    for step in chosen:
        tree = _after(tree, step)
    return tree


def _after(tree: Tree, step: Step) -> Tree:
    if step.verb == "add" or not tree:
        return _with(tree, step.name, step.node)
    path = sorted(tree)[step.which % len(tree)]
    rest = {name: node for name, node in tree.items() if name != path}
    node = tree[path]
    if step.verb == "delete":
        return rest
    if step.verb == "into folder":
        return {**rest, f"{path}/in": node if step.place % 2 else step.node}
    if step.verb == "into file":
        folder = path.rpartition("/")[0]
        inside = {name for name in tree if folder and name.startswith(f"{folder}/")}
        return {**{name: tree[name] for name in tree.keys() - inside}, folder: step.node} if folder else tree
    if step.verb.startswith("rename"):
        moved = _with(rest, step.name, _changed(node, step) if "edit" in step.verb else node)
        return moved if moved.keys() != rest.keys() else tree
    return {**tree, path: _changed(node, step)}


def _changed(node: Node, step: Step) -> Node:
    if step.verb == "mode" and node.mode != LINK:
        return Node(REGULAR if node.mode == EXECUTABLE else EXECUTABLE, node.content)
    if step.verb == "replace" or not node.is_text:
        return step.node
    lines = node.content.splitlines(keepends=True)
    if step.verb == "move line":
        moved = [lines.pop(step.which % len(lines))] if lines else []
        lines[step.place : step.place] = moved
    else:
        lines[step.place : step.place + step.length] = step.lines
    return Node(node.mode, b"".join(lines))


def _with(tree: Tree, name: str, node: Node) -> dict[str, Node]:
    """With one file more, where no file or folder is in its way."""
    is_free = all(
        other != name and not other.startswith(f"{name}/") and not name.startswith(f"{other}/")
        for other in tree
    )
    return {**tree, name: node} if is_free else dict(tree)
