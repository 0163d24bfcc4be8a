"""Which paths commits of the hub change, as against their first parents: what an attempt has touched."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from swarm.engine.records import RunRecord, TaskRecord
from swarm.errors import HubUnreachableError, RefusedError
from swarm.repo.git.command import Git, GitError
from swarm.repo.git.tree import DIFF_OPTIONS
from swarm.repo.hub.opening import open_hub_for
from swarm.repo.hub.user_repository import why_unpublished
from swarm.settings import Settings

_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""What is none git would repeat among its answers."""


def changed_paths(git: Git, commits: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Commit -> the paths that it changes, in git's order; a move is both of its names.

    One git for all of them. A commit that is not there, or changes nothing, is not among them.

    Raises:
        GitError: git could not even try.
    """
    asked = "".join(f"{commit}\n" for commit in commits if _ID.fullmatch(commit))
    if not asked:
        return {}
    said = git.run("diff-tree", "--stdin", *DIFF_OPTIONS, stdin=asked.encode()).split(b"\0")
    found: dict[str, list[str]] = {}
    fields, commit = iter(said[:-1]), ""
    for field in fields:
        if field.startswith(b":"):  # what the change is; its path comes next
            found[commit].append(next(fields).decode("utf-8", "surrogateescape"))
        else:
            commit = field.decode()
            found.setdefault(commit, [])
    return {commit: tuple(paths) for commit, paths in found.items()}


def touched_paths(
    settings: Settings, record: RunRecord, tasks: Iterable[TaskRecord]
) -> Mapping[str, tuple[str, ...]]:
    """As `landed_paths` of a run, whichever host landed its tasks; without those if the hub is away."""
    if settings.hub:
        with suppress(HubUnreachableError, RefusedError, GitError):
            open_hub_for(settings, record)
    return landed_paths(settings.mirror, tasks)


def unpublished(settings: Settings, record: RunRecord) -> str:
    """Why the user's branch does not hold what a run landed that has ended; empty when it does."""
    if not record.state.is_terminal or not record.landed:
        return ""
    return why_unpublished(settings.root, record.branch, record.tip)


def landed_paths(hub: Path, tasks: Iterable[TaskRecord]) -> Mapping[str, tuple[str, ...]]:
    """Task -> the paths that its landing changed, as the hub has it; nothing without a hub that can be read.

    Not the attempt's own commit: what counts is what became of it on the branch.
    """
    landed = {task.spec.id: task.merged_commit for task in tasks if task.merged_commit}
    if not landed or not (hub / "HEAD").exists():
        return {}
    try:
        paths = changed_paths(Git.at(hub), landed.values())
    except GitError:  # a report says that it is not known, rather than nothing at all
        return {}
    return {task: paths[commit] for task, commit in landed.items() if commit in paths}
