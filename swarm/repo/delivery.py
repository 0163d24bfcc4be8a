"""Bringing what has landed into a branch of the user's, on request: fast-forwarded, or merged and judged."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from swarm.errors import RefusedError, UsageError
from swarm.repo.gates.gate import GateReport
from swarm.repo.git.command import Git, GitError
from swarm.repo.git.merge import Conflict
from swarm.repo.git.moves import merge_moved
from swarm.repo.git.trailers import parse_squashed, squash_message
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.obstacles import (
    branch_in_the_way,
    refuse_broken,
    refuse_in_use,
    refuse_locked,
    refuse_lost,
    refuse_unwritable,
)
from swarm.repo.hub.refs import branch_ref
from swarm.repo.hub.user_repository import commit_of, fetch_into, is_ancestor, stands_for

Told = Callable[[Collection[str], str], str]
"""Makes the message of a squashed commit, from the landings in it and the one that they came after."""


class How(StrEnum):
    """How a branch came to hold what has landed."""

    CREATED = "created"
    ADVANCED = "advanced"
    MERGED = "merged"
    SQUASHED = "squashed"
    UP_TO_DATE = "up_to_date"


@dataclass(frozen=True)
class Delivered:
    """A branch of the user's, and the commit that it is at now.

    `since` is where the integration branch was when it was brought there before, of which a squashed commit
    has nothing; empty: it has all.
    """

    into: str
    how: How
    commit: str
    since: str = ""


def deliver(
    hub: Hub,
    user_repository: Path,
    branch: str,
    into: str,
    *,
    base: str,
    judge: Callable[[str, str], GateReport],
    squash: Told | None = None,
    log: Path | None = None,
) -> Delivered:
    """Bring an integration branch into a branch of the user's, which is created where it does not exist.

    Args:
        hub: where the integration branch is.
        user_repository: only the one branch of it is written; HEAD, index and files stay as they are.
        branch: the integration branch.
        into: the user's, by its short name or after `refs/heads/`.
        base: the commit that the integration branch began with.
        judge: runs on a commit of the hub, named first, the gates that another one defines: on a merge, which
            nothing has judged yet, those of the user's branch, which no task can have weakened.
        squash: makes the message of one commit, of the commits of the integration branch that are in it and
            the one after which they came, which is empty where it is all of them, and not where a part was
            brought there before, even if somebody has taken it back since. None: a commit a
            task, as they landed.
        log: where the reader of a refusal finds what the gates printed.

    Raises:
        UsageError: `into` is no name for a branch, or nothing has landed.
        RefusedError: it is checked out, or cannot be written, which is said before gates run where it can be;
            its commits conflict with what landed, or the gates are red on both; or somebody has moved it
            meanwhile.
    """
    into = into.removeprefix(branch_ref(""))
    user, tip = Git.around(user_repository), _tip_of_ours(hub, branch)
    current = _tip_of_theirs(user, user_repository, branch, into)
    if not current and (not squash or tip == base):
        return _move(user, hub, branch, Delivered(into, How.CREATED, tip), was=current)
    if current:
        hub.import_base(user_repository, current)
    onto = current or base
    if is_ancestor(hub.git, tip, onto):
        return Delivered(into, How.UP_TO_DATE, onto)
    if current:
        refuse_unwritable(user, into, current, home=hub.home)
    is_ahead = is_ancestor(hub.git, onto, tip)
    if is_ahead and not squash:
        return _move(user, hub, branch, Delivered(into, How.ADVANCED, tip), was=current)
    made = _merge(hub, branch, into, onto, tip, base=base, squash=squash)
    if made is None:
        return Delivered(into, How.UP_TO_DATE, onto)
    if not is_ahead:  # else the gates have passed on these very files
        _refuse_red(judge(made.commit, onto), into, log)
    return _move(user, hub, branch, made, was=current)


def _tip_of_ours(hub: Hub, branch: str) -> str:
    tip = hub.tip(branch)
    if tip is None:
        raise UsageError(f"nothing has landed on {branch!r}", hint="`swarm status` says how the run stands")
    return tip


def _tip_of_theirs(user: Git, user_repository: Path, branch: str, into: str) -> str:
    """Where the user's branch is, or empty when there is none yet; it may be moved.

    Raises:
        UsageError: that is no name for a branch.
        RefusedError: somebody works on it, or it is broken.
    """
    named = Git().ask("check-ref-format", "--branch", into)
    if not named.succeeded or named.stdout.rstrip(b"\n") != into.encode():  # `@{-1}` stands for another
        raise UsageError(f"{into!r} is no name for a branch", hint="name it as `git branch` would")
    if into.startswith("refs/"):
        raise UsageError(f"{into!r} is no branch", hint="name one: release, or refs/heads/release")
    refuse_lost(user, into)
    refuse_in_use(user, into, branch)
    if stands_for(user, into):
        raise UsageError(
            f"{into!r} stands for another branch, {stands_for(user, into)!r}",
            hint="name that one, if you mean it",
        )
    if _tip_in(user, into):
        return commit_of(user_repository, branch_ref(into))
    if in_the_way := branch_in_the_way(user, into):
        raise UsageError(f"{into!r} cannot be: there is a branch {in_the_way!r}", hint="name it otherwise")
    return ""


def _tip_in(user: Git, branch: str) -> str:
    """Empty when there is no such branch."""
    return user.ask("rev-parse", "--verify", "--quiet", branch_ref(branch)).stdout.decode().strip()


def _merge(
    hub: Hub, branch: str, into: str, current: str, tip: str, *, base: str, squash: Told | None
) -> Delivered | None:
    """The commit of both; with a maker of its message, one without the integration branch's history.

    None when that would change nothing: it was squashed there before.
    """
    with Workbench(hub.path) as bench:
        began, ours = _meeting(bench, current, tip)
        if began is None:
            raise RefusedError(
                f"{into!r} and {branch!r} have no commit in common",
                hint=f"`git merge --allow-unrelated-histories {branch}` on {into}, if you mean it",
            )
        merged = merge_moved(bench, ours, tip, base=began)
        if isinstance(merged, Conflict):
            raise RefusedError(
                f"{branch!r} conflicts with {into!r} in {', '.join(merged.paths)}",
                hint=f"`git merge {branch}` on {into}, and settle it there",
            )
        if not squash:
            message = f"Merge branch '{branch}' into {into}\n"
            made = bench.commit(merged.tree, current, message.encode(), and_of=tip)
            return Delivered(into, How.MERGED, made)
        if merged.tree == bench.tree_of(current):
            return None
        since = "" if is_ancestor(bench.git, began, base) else began
        held = bench.git.run("rev-list", f"{began}..{tip}").decode().split()
        told = squash_message(squash(held, since), tip).encode("utf-8", "replace")
        return Delivered(into, How.SQUASHED, bench.commit(merged.tree, current, told), since)


def _meeting(bench: Workbench, current: str, tip: str) -> tuple[str | None, str]:
    """The commit that both have, or None, and one with the files of `current` whose history shows that.

    Of what was squashed into `current` its history shows nothing, but the message says how far that went:
    what was landed then is no second time a change of both sides.
    """
    told = bench.git.run(
        "log", "-z", "--encoding=UTF-8", "--format=%B", "--grep=^Swarm-Tip: ", f"{tip}..{current}"
    )
    held = ""
    for message in told.decode("utf-8", "replace").split("\0"):
        found = parse_squashed(message)
        if found and is_ancestor(bench.git, found, tip) and (not held or is_ancestor(bench.git, held, found)):
            held = found
    if held:
        current = bench.commit(bench.tree_of(current), held, b"", and_of=current)
    return bench.git.look_up("merge-base", current, tip), current


def _refuse_red(report: GateReport, into: str, log: Path | None) -> None:
    if report.failure:
        printed = f"what the gates printed is in {log}; " if log else ""
        raise RefusedError(
            f"merged into {into!r} the gates are red: {report.failure}",
            hint=f"{printed}rebase {into!r}, or run the plan again from it",
        )


def _move(user: Git, hub: Hub, branch: str, delivered: Delivered, *, was: str) -> Delivered:
    """Bring the branch there from where it was; a person may have taken it up or moved it meanwhile."""
    into, commit = delivered.into, delivered.commit
    answer = fetch_into(user, hub.path, commit, into)
    if answer.succeeded:
        return delivered
    refuse_in_use(user, into, branch)
    refuse_locked(user, into, answer, home=hub.home)
    refuse_broken(answer)
    if _tip_in(user, into) != was:
        raise RefusedError(
            f"branch {into!r} has got other commits meanwhile", hint="land again: both are merged and judged"
        )
    raise GitError(["git", "fetch", str(hub.path), into], answer.exit_code, answer.stderr)
