"""Commits made of nothing but their files, in a hub, and random edits of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from merge_board import NOBODY
from random_trees import REGULAR, Entry, Tree

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


@dataclass
class Bare:
    """A hub, and commits made of nothing but their files."""

    hub: Hub

    def commit(self, files: Mapping[str, bytes], *parents: str) -> str:
        """A commit of exactly these files."""
        return self.commit_tree({name: Entry(REGULAR, content) for name, content in files.items()}, *parents)

    def commit_tree(self, tree: Tree, *parents: str) -> str:
        """The same with modes, and links."""
        lines = b"".join(
            b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), name.encode(), len(content), content)
            for name, (mode, content) in tree.items()
        )
        origin = "".join(f"from {parent}\n" for parent in parents).encode()
        head = b"commit refs/heads/made\ncommitter x <x@x> 0 +0000\ndata 4\nmade\n"
        self.hub.git.ask("update-ref", "-d", "refs/heads/made")
        self.hub.git.run("fast-import", "--quiet", stdin=head + origin + b"deleteall\n" + lines)
        return self.hub.resolve("refs/heads/made") or ""

    def files(self, revision: str) -> dict[bytes, bytes]:
        """Path -> content."""
        entries = read_tree(self.hub.git, revision)
        contents = read_blobs(self.hub.git, [entry.oid for entry in entries.values()])
        return dict(zip(entries, contents, strict=True))

    def tree(self, revision: str) -> Tree:
        """All that is in it."""
        modes, contents = read_tree(self.hub.git, revision), self.files(revision)
        return {path.decode(): Entry(modes[path].mode, contents[path]) for path in modes}

    def is_bad(self, revision: str) -> bool:
        """The gate is red on it."""
        return any(b"BAD" in content for content in self.files(revision).values())

    def merged(self, tip: str, attempt: str) -> str | None:
        """What git makes of both, as a commit on the tip; None when they conflict."""
        answer = self.hub.git.ask("merge-tree", "--write-tree", tip, attempt)
        if not answer.succeeded:
            return None
        tree = answer.stdout.decode().strip()
        return self.hub.git.run("commit-tree", tree, "-p", tip, "-m", "x", env=NOBODY).decode().strip()
