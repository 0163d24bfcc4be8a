"""Commits made of nothing but their files, in a hub, and random edits of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from tree_merge import REGULAR, Node, Tree

from swarm.repo.git.command import Git
from swarm.repo.git.tree import read_blobs, read_tree
from swarm.repo.hub.hub import Hub

FILES = tuple(f"src/{name}.txt" for name in "abcd")
LINES = tuple(f"line {number}" for number in range(9))
"""Of each file in the base: edits of places that are far from each other merge."""

edits = st.tuples(
    st.sampled_from(FILES),
    st.sampled_from(("replace", "replace", "delete", "create", "remove", "BAD")),
    st.sampled_from((0, 4, 8)),
)
"""A file, what is done to it, and at which line."""
Edits = Sequence[tuple[str, str, int]]


def edited(chosen: Edits, number: int) -> dict[str, bytes]:
    """The files of the base as attempt `number` leaves them."""
    files = {name: list(LINES) for name in FILES}
    for name, verb, line in chosen:
        if verb == "create":
            files[f"src/new.{number}"] = [f"by {number}"]
        elif verb == "remove":
            files.pop(name, None)
        elif name in files:
            word = "BAD" if verb == "BAD" else f"by {number}"
            files[name][line : line + 1] = [] if verb == "delete" else [word]
    return {name: "".join(f"{each}\n" for each in lines).encode() for name, lines in files.items()}


def plant(git: Git, tree: Tree, *parents: str) -> str:
    """A commit of exactly this tree, in any repository."""
    lines = b"".join(
        b"M %s inline %s\ndata %d\n%s\n"
        % (node.mode.encode(), path.encode(), len(node.content), node.content)
        for path, node in tree.items()
    )
    origin = "".join(f"from {parent}\n" for parent in parents).encode()
    head = b"commit refs/heads/made\ncommitter x <x@x> 0 +0000\ndata 4\nmade\n"
    git.ask("update-ref", "-d", "refs/heads/made")
    git.run("fast-import", "--quiet", stdin=head + origin + b"deleteall\n" + lines)
    return git.one_line("rev-parse", "refs/heads/made")


@dataclass
class Bare:
    """A hub, and commits made of nothing but their files."""

    hub: Hub

    def commit(self, files: dict[str, bytes], *parents: str) -> str:
        """A commit of exactly these files."""
        return plant(
            self.hub.git, {name: Node(REGULAR, content) for name, content in files.items()}, *parents
        )

    def plant(self, tree: Tree, *parents: str) -> str:
        """A commit of exactly this tree."""
        return plant(self.hub.git, tree, *parents)

    def tree(self, revision: str) -> dict[str, Node]:
        """Path -> mode and content."""
        entries = read_tree(self.hub.git, revision)
        contents = read_blobs(self.hub.git, [entry.oid for entry in entries.values()])
        return {
            path.decode(): Node(entry.mode, content)
            for (path, entry), content in zip(entries.items(), contents, strict=True)
        }

    def files(self, revision: str) -> dict[bytes, bytes]:
        """Path -> content."""
        entries = read_tree(self.hub.git, revision)
        contents = read_blobs(self.hub.git, [entry.oid for entry in entries.values()])
        return dict(zip(entries, contents, strict=True))
