"""What a merge of two commits comes to, and which changes may not land: by objects only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from swarm.plan.scope import WriteScope
from swarm.repo.git.command import Answer, Git, GitError
from swarm.repo.git.paths import fitting, newly_escaping, shown, spelling_fault
from swarm.repo.git.tree import ABSENT, GITLINK, SYMLINK, TreeChange, read_links, read_tree

MAX_EVIDENCE = 60_000

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

MERGE_OPTIONS = (
    "-c", "merge.renames=true",
    "-c", "merge.directoryRenames=false",
    "-c", "merge.conflictStyle=diff3",
    "merge-tree", "--write-tree", "-z",
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
    answer = git.ask(*MERGE_OPTIONS, "--messages", ours, theirs)
    fields = answer.stdout.decode("utf-8", "surrogateescape").split("\0")
    tree = fields[0]
    if answer.exit_code not in {0, 1} or not _OID.fullmatch(tree):
        raise GitError(("git", *MERGE_OPTIONS, ours, theirs), answer.exit_code, answer.stderr)
    if answer.succeeded:
        return Merged(tree)
    return _read_conflict(git, ours, theirs, answer, fields)


def _read_conflict(git: Git, ours: str, theirs: str, answer: Answer, fields: list[str]) -> Conflict:
    """Parse `tree NUL (mode oid stage TAB path NUL)* NUL (count NUL path* NUL type NUL message NUL)*`."""
    end = fields.index("", 1)
    paths = tuple(dict.fromkeys(entry.partition("\t")[2] for entry in fields[1:end]))
    # Beside a folder of that name git puts a file aside, under a name that nobody has given it.
    aside = re.compile(rf"~(?:{ours}|{theirs})(?:_\d+)?$")
    messages, rest = [], fields[end + 1 :]
    while len(rest) > 1:
        count = int(rest[0])
        messages.append(rest[count + 2].strip())
        rest = rest[count + 3 :]
    hunks = git.ask(
        "--literal-pathspecs", "diff-tree", "-p", "-r", "--no-ext-diff", "--no-textconv",
        ours, fields[0], "--", *fitting(path.encode("utf-8", "surrogateescape") for path in paths),
    ).stdout.decode("utf-8", "replace")  # fmt: skip
    said = [message for message in messages if message.startswith("CONFLICT")] or messages
    evidence = "\n".join([*said, "", hunks]) if answer.stdout else hunks
    return Conflict(tuple(dict.fromkeys(aside.sub("", path) for path in paths)), evidence)


def find_violations(
    git: Git, changes: Sequence[TreeChange], old: str, new: str, scope: WriteScope
) -> list[Violation]:
    """Which changes from a tree to another may not land: outside the scope, a submodule, a link outward."""
    violations = [found for change in changes if (found := _judge(change, scope))]
    if any(SYMLINK in {change.old_mode, change.new_mode} for change in changes):
        before, links = (read_links(git, read_tree(git, tree)) for tree in (old, new))
        violations += [
            Violation(shown(path), f"links to '{shown(links[path])}', outside the repository", is_policy=True)
            for path in newly_escaping(before, links)
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
