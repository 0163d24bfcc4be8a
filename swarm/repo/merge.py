"""Merging an attempt into the integration branch by objects only: no checkout, and no ref is moved."""

import re
from dataclasses import dataclass

from swarm.plan.model import TaskSpec
from swarm.plan.scope import WriteScope
from swarm.repo.git import Answer, Git, GitError
from swarm.repo.paths import escaping_links, shown, spelling_fault
from swarm.repo.trailers import landing_message
from swarm.repo.tree import ABSENT, GITLINK, SYMLINK, TreeChange, diff_trees, read_links, read_tree

MAX_EVIDENCE = 60_000

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_IDENTITY = {
    "GIT_AUTHOR_NAME": "swarm",
    "GIT_AUTHOR_EMAIL": "swarm@localhost",
    "GIT_COMMITTER_NAME": "swarm",
    "GIT_COMMITTER_EMAIL": "swarm@localhost",
}

_MERGE_TREE = (
    "-c", "merge.directoryRenames=false",
    "-c", "merge.conflictStyle=diff3",
    "merge-tree", "--write-tree", "--messages", "-z",
)  # fmt: skip


@dataclass(frozen=True)
class Merged:
    """Both sides fit together in this tree."""

    tree: str


@dataclass(frozen=True)
class Conflict:
    """The sides disagree: where, and the hunks with both versions and what they began with."""

    paths: tuple[str, ...]
    evidence: str


@dataclass(frozen=True)
class Violation:
    """A change that may not land, and why."""

    path: str
    reason: str
    is_policy: bool  # never allowed, whatever the scope

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def merge_trees(git: Git, ours: str, theirs: str) -> Merged | Conflict:
    """Merge two commits; the base is found in their history.

    Raises:
        GitError: git could not even try (it exits with 1 then too, so the answer is what decides).
    """
    answer = git.ask(*_MERGE_TREE, ours, theirs)
    fields = answer.stdout.decode("utf-8", "surrogateescape").split("\0")
    tree = fields[0]
    if answer.exit_code not in {0, 1} or not _OID.fullmatch(tree):
        raise GitError(("git", *_MERGE_TREE, ours, theirs), answer.exit_code, answer.stderr)
    if answer.succeeded:
        return Merged(tree)
    return _read_conflict(git, ours, answer, fields)


def _read_conflict(git: Git, ours: str, answer: Answer, fields: list[str]) -> Conflict:
    """Parse `tree NUL (mode oid stage TAB path NUL)* NUL (count NUL path* NUL type NUL message NUL)*`."""
    end = fields.index("", 1)
    paths = tuple(dict.fromkeys(entry.partition("\t")[2] for entry in fields[1:end]))
    messages, rest = [], fields[end + 1 :]
    while len(rest) > 1:
        count = int(rest[0])
        messages.append(rest[count + 2].strip())
        rest = rest[count + 3 :]
    hunks = git.ask(
        "--literal-pathspecs", "diff-tree", "-p", "-r", "--no-ext-diff", "--no-textconv",
        ours, fields[0], "--", *(path.encode("utf-8", "surrogateescape") for path in paths),
    ).stdout.decode("utf-8", "replace")  # fmt: skip
    said = [message for message in messages if message.startswith("CONFLICT")] or messages
    evidence = "\n".join([*said, "", hunks]) if answer.stdout else hunks
    return Conflict(paths, evidence[:MAX_EVIDENCE])


def find_violations(git: Git, old: str, new: str, scope: WriteScope) -> list[Violation]:
    """What differs between two trees and may not land: outside the scope, a submodule, a link outward."""
    changes = diff_trees(git, old, new)
    violations = [found for change in changes if (found := _judge(change, scope))]
    changed_links = [change.path for change in changes if change.new_mode == SYMLINK]
    if changed_links:
        links = read_links(git, read_tree(git, new))
        violations += [
            Violation(shown(path), f"links to '{shown(links[path])}', outside the repository", is_policy=True)
            for path in escaping_links(links, changed_links)
        ]
    return violations


def _judge(change: TreeChange, scope: WriteScope) -> Violation | None:
    path = shown(change.path)
    if GITLINK in {change.old_mode, change.new_mode}:
        return Violation(path, "is a submodule", is_policy=True)
    if fault := spelling_fault(change.path):
        return Violation(path, fault, is_policy=False)
    if not scope.covers(change.path.decode()):
        verb = "deleted" if change.new_mode == ABSENT else "changed"
        return Violation(path, f"{verb} outside the write scope", is_policy=False)
    return None


def commit_landing(
    git: Git, *, tree: str, parent: str, run: str, task: TaskSpec, attempt: int, merge_token: int
) -> str:
    """Write the commit that lands a tree, with its trailers; return its id. No ref is moved."""
    message = landing_message(run, task, attempt, merge_token).encode("utf-8", "replace")
    made = git.run("commit-tree", tree, "-p", parent, stdin=message, env=_IDENTITY)
    return made.decode().strip()
