"""What the hub holds, as this host's bare repository has it: refs, landings, attempts and files."""

import os
from dataclasses import dataclass
from pathlib import Path

from swarm.repo.git.command import Git
from swarm.repo.git.trailers import Landed, parse_landed
from swarm.repo.git.tree import GITLINK, read_entries
from swarm.repo.hub.refs import branch_ref, fence_ref, task_ref


@dataclass(frozen=True)
class AttemptRef:
    """A durable attempt in the hub."""

    ref: str
    commit: str
    attempt: int


class HubReads:
    """Reads of the bare repository at `path`; nothing here asks another host.

    Raises:
        GitError: git did not say, as when it was killed; of every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git = Git.at(path)

    def resolve(self, revision: str) -> str | None:
        """The object id of a ref or revision, or None: there is no such ref, or commit.

        Raises:
            GitError: git did not say.
        """
        return self.git.look_up("rev-parse", "--verify", "--quiet", revision)

    def tip(self, branch: str) -> str | None:
        """The newest commit of an integration branch, or None when it does not exist."""
        return self.resolve(branch_ref(branch))

    def landings(self, branch: str, since: str) -> tuple[Landed, ...]:
        """What has landed on the branch's first-parent history after `since`, oldest first."""
        tip = self.tip(branch)
        if tip is None:
            return ()
        log = self.git.run(
            "log",
            "--first-parent",
            "--reverse",
            "-z",
            "--encoding=UTF-8",
            "--format=%H%n%B",
            f"{since}..{tip}",
        )
        records = (record.decode("utf-8", "replace") for record in log.split(b"\0") if record)
        return tuple(landed for record in records if (landed := parse_landed(record)))

    def done_refs(self, run: str) -> dict[str, str]:
        """The guards of a run: name of the done-ref -> the commit it points to."""
        return self.refs_under(f"refs/swarm/done/{run}/")

    def refs_named(self, *names: str) -> dict[str, str]:
        """Those of these refs that there are -> their object ids; others are not even looked at."""
        asked = "".join(f"{name}\n" for name in names).encode()
        answers = self.git.run("cat-file", "--batch-check=%(objectname)", stdin=asked).decode().splitlines()
        found = zip(names, answers, strict=True)
        return {name: answer for name, answer in found if not answer.endswith(" missing")}

    def refs_under(self, *folders: str) -> dict[str, str]:
        """Every ref in folders such as `refs/swarm/base/` -> its object id."""
        lines = self.git.one_line("for-each-ref", "--format=%(refname) %(objectname)", *folders).splitlines()
        return dict(line.split(" ") for line in lines)

    def find_attempt(self, run: str, task: str) -> AttemptRef | None:
        """The latest durable attempt that has not been judged yet: it needs merging, not doing again."""
        refs = self.refs_under(task_ref("attempt", run, task) + "/")
        attempts = [AttemptRef(ref, commit, int(ref.rsplit("/", 1)[1])) for ref, commit in refs.items()]
        return max(attempts, key=lambda found: found.attempt, default=None)

    def read_blob(self, commit: str, name: str) -> bytes | None:
        """The content of a file of a commit, or None: that commit has no such file.

        Raises:
            GitError: there is no such commit, or git did not say.
        """
        path = os.fsencode(name)
        entry = read_entries(self.git, commit, [path]).get(path)
        return None if entry is None or entry.mode == GITLINK else self.git.run("cat-file", "blob", entry.oid)

    def patch(self, old: str, new: str) -> str:
        """The difference between two commits or trees, as a person reads it."""
        raw = self.git.run("diff-tree", "-p", "-r", "-M", "--no-ext-diff", "--no-textconv", old, new)
        return raw.decode("utf-8", "replace")

    def fence(self, branch: str) -> int:
        """The highest merge token that has begun on the branch; 0 before the first."""
        blob = self.resolve(fence_ref(branch))
        return int(self.git.run("cat-file", "blob", blob).split()[0]) if blob else 0
