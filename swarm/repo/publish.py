"""Bringing an integration branch into the user's repository, and nothing else with it."""

from pathlib import Path

from swarm.repo.git import Git, GitError
from swarm.repo.hub import FETCH_ONLY, Hub
from swarm.repo.refs import branch_ref
from swarm.repo.user_repository import Publication, Published


def publish(hub: Hub, user_repository: Path, branch: str) -> Published:
    """Create or fast-forward `branch` in the user's repository; never forced, no reflog, no FETCH_HEAD, no tag.

    A branch that is checked out there, or that holds commits of its own, is left alone: the answer
    says why and what to do.

    Raises:
        GitError: git failed for another reason; the branch does not exist in the hub, the disk is full.
    """
    ref = branch_ref(branch)
    user = Git.around(user_repository)
    tip = hub.git.one_line("rev-parse", "--verify", ref)
    found = user.ask("rev-parse", "--verify", "--quiet", ref)
    current = found.stdout.decode().strip() if found.succeeded else ""
    if current == tip:
        return Published(Publication.UP_TO_DATE, branch, tip)
    if current and not hub.git.ask("merge-base", "--is-ancestor", current, tip).succeeded:
        return Published(
            Publication.DIVERGED,
            branch,
            tip,
            f"branch {branch!r} has commits of its own ({current[:12]}); rename it, then publish again",
        )
    answer = user.ask(
        "-c", "core.logAllRefUpdates=false", "-c", "fetch.writeCommitGraph=false",
        *FETCH_ONLY, "--", str(hub.path), f"{ref}:{ref}",
    )  # fmt: skip
    if answer.succeeded:
        publication = Publication.ADVANCED if current else Publication.CREATED
        return Published(publication, branch, tip)
    if b"refusing to fetch into" in answer.stderr:
        return Published(
            Publication.CHECKED_OUT,
            branch,
            tip,
            f"branch {branch!r} is checked out; switch to another branch, then publish again",
        )
    raise GitError(["fetch", str(hub.path), ref], answer.exit_code, answer.stderr)
