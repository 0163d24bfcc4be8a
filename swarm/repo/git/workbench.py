"""Merging attempts one upon another by objects only: no checkout, and no ref is moved.

The processes that do it are kept for as long as a train is coupled, and started by their first use.
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from swarm.repo.git.command import Git, GitError
from swarm.repo.git.conversation import Conversation
from swarm.repo.git.merge import MERGE_OPTIONS, Conflict, Merged, merge_trees
from swarm.repo.git.quarantine import MEMORY, Quarantine
from swarm.repo.git.tree import DIFF_OPTIONS, TreeChange, decode_change

_IDENTITY = "swarm <swarm@localhost>"
_END = b"end\n"
"""git repeats a line that names no tree, and flushes what it has said before."""


class Workbench:
    """What it takes to couple a train, over one repository. A context manager; not for several threads.

    Args:
        repository: the git folder.
        in_memory: what is written is nobody else's before `keep`; for many objects that is far quicker.
    """

    def __init__(self, repository: Path, *, in_memory: bool = False) -> None:
        self.repository = repository
        self._kept = ExitStack()
        self._quarantine = self._kept.enter_context(Quarantine(repository)) if in_memory else None
        self._git = self._quarantine.git if self._quarantine else Git.at(repository)
        self._talks: dict[str, Conversation] = {}
        self._trees: dict[str, str] = {}  # commit -> tree
        self._paper: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.close()

    @property
    def git(self) -> Git:
        """Git that sees what was written here."""
        return self._git

    def keep(self) -> None:
        """See that the repository itself has all that was written.

        Raises:
            GitError: it could not be written.
        """
        if self._quarantine:
            self._quarantine.keep()

    def merge(self, ours: str, theirs: str) -> Merged | Conflict:
        """Merge two commits; the base is found in their history.

        Raises:
            GitError: git could not even try.
        """
        if shutil.which("stdbuf") is None:  # not on every system
            return merge_trees(self._git, ours, theirs)
        talk = self._talk(*MERGE_OPTIONS, "--stdin", is_buffered=True)
        talk.tell(f"{ours} {theirs}\n".encode())
        is_clean = talk.read_to(b"\0") == b"1"
        tree = talk.read_to(b"\0").decode()
        if is_clean:
            talk.read_to(b"\0")
            return Merged(tree)
        _skip_conflict(talk)
        return merge_trees(self._git, ours, theirs)  # once more, for its evidence

    def commit(self, tree: str, parent: str, message: bytes, *, and_of: str = "") -> str:
        """Write a commit by swarm, now, and return its id; `and_of` is another parent."""
        stamp = f"{_IDENTITY} {int(time.time())} +0000"
        parents = "".join(f"parent {each}\n" for each in (parent, and_of) if each)
        head = f"tree {tree}\n{parents}author {stamp}\ncommitter {stamp}\n\n"
        sheet = self._sheet()
        sheet.seek(0)
        sheet.truncate()
        sheet.write(head.encode() + message)
        sheet.flush()
        sheet.seek(0)
        talk = self._talk("hash-object", "-t", "commit", "-w", "--stdin-paths", keep_fds=[sheet.fileno()])
        talk.tell(b"/dev/fd/%d\n" % sheet.fileno())
        commit = talk.read_to(b"\n").decode()
        self._trees[commit] = tree
        return commit

    def tree_of(self, commit: str) -> str:
        """The tree of a commit, which may be said as `<commit>^`.

        Raises:
            GitError: there is no such commit.
        """
        if commit not in self._trees:
            verb = ("cat-file", "--batch-check")
            talk = self._talk(*verb)
            talk.tell(f"{commit}^{{tree}}\n".encode())
            tree, _, kind = talk.read_to(b"\n").decode().partition(" ")
            if not kind.startswith("tree "):
                raise GitError(("git", *verb, commit), 0, f"{commit} is not there".encode())
            self._trees[commit] = tree
        return self._trees[commit]

    def find_file(self, tree: str, path: bytes) -> str:
        """The id of a file in a tree; empty when there is none. No path with a line feed."""
        talk = self._talk("cat-file", "--batch-check")
        talk.tell(tree.encode() + b":" + path + b"\n")
        oid, _, kind = talk.read_to(b"\n").partition(b" ")
        return oid.decode() if kind.startswith(b"blob ") else ""

    def changes(self, old: str, new: str) -> list[TreeChange]:
        """What has to change in one tree to become another one."""
        talk = self._talk("diff-tree", "--stdin", *DIFF_OPTIONS)
        talk.tell(f"{old} {new}\n".encode() + _END)
        if talk.read_to(b"\n") != f"{old} {new}".encode():  # of trees that it has it repeats the ids
            raise GitError(("git", "diff-tree", old, new), 0, b"one of the trees is not there")
        changes = []
        while talk.peek() == b":":
            changes.append(decode_change(talk.read_to(b"\0"), talk.read_to(b"\0")))
        talk.read_to(b"\n")
        return changes

    def _sheet(self) -> IO[bytes]:
        """The one file that every commit is written on: making a file takes longer than all else here.

        It has no name: agents may write to what is in memory, and nothing is left of it by whoever is killed.
        """
        if self._paper is None:
            folder = MEMORY if self._quarantine else None
            paper = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed with the rest
            self._paper = self._kept.enter_context(paper)
        return self._paper

    def _talk(self, *arguments: str, is_buffered: bool = False, keep_fds: Sequence[int] = ()) -> Conversation:
        verb = " ".join(arguments)
        if verb not in self._talks:
            talk = Conversation(self._git, *arguments, is_buffered=is_buffered, keep_fds=keep_fds)
            self._talks[verb] = self._kept.enter_context(talk)
        return self._talks[verb]


def _skip_conflict(talk: Conversation) -> None:
    """Read past `(mode oid stage TAB path NUL)* NUL (count NUL path* type NUL message NUL)* NUL`."""
    while talk.read_to(b"\0"):
        pass
    while count := talk.read_to(b"\0"):
        for _ in range(int(count) + 2):
            talk.read_to(b"\0")
