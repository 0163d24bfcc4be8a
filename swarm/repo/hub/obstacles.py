"""What keeps a branch of the user's from being moved: asked of git before gates run for it, and named."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from swarm.errors import RefusedError
from swarm.repo.git.command import FETCH_ONLY, Answer, Git
from swarm.repo.hub.refs import branch_ref

_IN_USE = re.compile(r"refusing to fetch into branch '[^\n]+' checked out at '(?P<path>.+)'", re.DOTALL)
_LOCK = re.compile(r"Unable to create '([^\n]+\.lock)': File exists")
_BROKEN = re.compile(r"(?:bad object|No such ref:) (refs/[^\n]+)")
"""As after a power cut."""
_PROCESSES = Path("/proc")


class _WorkTree(NamedTuple):
    path: Path
    branch: str  # that it is on; empty: none


def branch_in_the_way(user: Git, into: str) -> str:
    """A branch that git has no room for another beside: of `a` and `a/b` there is only one."""
    parts = into.split("/")
    above = {branch_ref("/".join(parts[:count])) for count in range(1, len(parts))}
    listed = user.run("for-each-ref", "--format=%(refname)", *above, branch_ref(into))
    for ref in listed.decode("utf-8", "surrogateescape").split():
        if ref in above or ref.startswith(branch_ref(f"{into}/")):
            return ref.removeprefix(branch_ref(""))
    return ""


def refuse_in_use(user: Git, into: str, branch: str) -> None:
    """See that nobody works on a branch, as git sees it; it need not be there.

    Raises:
        RefusedError: some work tree is on it, or has a rebase or bisect of it paused.
    """
    if any(tree.branch == into for tree in _work_trees(user)):
        raise RefusedError(
            f"branch {into!r} is checked out: swarm changes nobody's files",
            hint=f"`git merge {branch}` there, or switch to another branch first",
        )
    ref = branch_ref(into)
    answer = user.ask(*FETCH_ONLY, "--dry-run", "--", ".", f"{ref}:{ref}")
    if found := _IN_USE.search(answer.stderr.decode("utf-8", "replace")):
        raise RefusedError(
            f"branch {into!r} is in the midst of a rebase or bisect in {found['path']!r}",
            hint="`git status` there says how to end it; then land again",
        )


def refuse_unwritable(user: Git, into: str, current: str, *, home: Path) -> None:
    """See that git could move a branch from where it is: it locks it as for that, and lets go of it.

    Raises:
        RefusedError: it could not; `home` is swarm's own folder there, whose gits are not to blame.
    """
    asked = f"start\nverify {branch_ref(into)} {current}\nprepare\nabort\n"
    answer = user.ask("update-ref", "--stdin", stdin=asked.encode("utf-8", "surrogateescape"))
    if answer.succeeded:
        return
    refuse_locked(user, into, answer, home=home)
    said = answer.stderr.decode("utf-8", "replace").strip().partition("\n")[0].removeprefix("fatal: ")
    raise RefusedError(
        f"branch {into!r} cannot be written: {said}",
        hint="nothing is lost: mend that, then land again",
    )


def refuse_locked(user: Git, into: str, answer: Answer, *, home: Path) -> None:
    """Name the lock that another git holds, or has left, where that is why git did not write a branch.

    Raises:
        RefusedError: that is why.
    """
    lock = _named_in(answer.stderr.decode("utf-8", "replace"), _LOCK)
    if not lock:
        return
    running = ", ".join(str(pid) for pid in _gits_at_work(user, home))
    hint = f"a git is at work there (process {running}): land again once it has ended"
    if not running:
        hint = "if no git is at work there one was killed: remove that file, then land again"
    raise RefusedError(f"branch {into!r} is locked by {lock!r}", hint=f"nothing is lost; {hint}")


def refuse_lost(user: Git, into: str) -> None:
    """See that a branch names something that is there, or is none yet.

    Raises:
        RefusedError: its file is empty or no ref, or what it names is gone, as after a power cut.
    """
    ref = branch_ref(into)
    is_broken = _named_in(user.ask("symbolic-ref", "--quiet", ref).stderr.decode("utf-8", "replace"), _BROKEN)
    named = user.ask("rev-parse", "--verify", "--quiet", ref).stdout.decode().strip()
    if is_broken or (named and not user.ask("cat-file", "-e", named).succeeded):
        lost = f"{named[:12]} is not there" if named else "it names nothing"
        raise RefusedError(
            f"branch {into!r} of this repository is broken: {lost}",
            hint=f"nothing is lost: `git fsck` tells more; mend or remove .git/{ref}, then land again",
        )


def refuse_broken(answer: Answer) -> None:
    """Name the ref of the user's that has lost its object: git writes no branch beside it.

    Raises:
        RefusedError: that is why git did not.
    """
    if ref := _named_in(answer.stderr.decode("utf-8", "replace"), _BROKEN):
        raise RefusedError(
            f"{ref} of this repository is broken, and git writes no branch beside it",
            hint=f"nothing is lost: `git fsck` tells more; mend or remove .git/{ref}, then land again",
        )


def why_unwritten(branch: str, said: str) -> str:
    """What a person can mend, where git says that is why it did not write a branch; empty where it is not."""
    if lock := _named_in(said, _LOCK):
        return f"branch {branch!r} is locked by {lock!r}; if no git runs there, remove it"
    if ref := _named_in(said, _BROKEN):
        return f"{ref} of this repository is broken: mend or remove .git/{ref}"
    return ""


def _named_in(said: str, form: re.Pattern[str]) -> str:
    found = form.search(said)
    return found[1] if found else ""


def _gits_at_work(user: Git, home: Path) -> Iterator[int]:
    """The processes of git in the user's work trees, where this system tells; those in `home` are ours."""
    places = [tree.path for tree in _work_trees(user)]
    for name in _PROCESSES.glob("[0-9]*/comm"):
        try:
            is_git = name.read_text(encoding="utf-8", errors="replace").strip().partition("-")[0] == "git"
            folder = name.with_name("cwd").readlink() if is_git else home
        except OSError:  # it has ended, or is somebody else's
            continue
        if not folder.is_relative_to(home) and any(folder.is_relative_to(place) for place in places):
            yield int(name.parent.name)


def _work_trees(user: Git) -> list[_WorkTree]:
    listed = user.run("worktree", "list", "--porcelain", "-z").decode("utf-8", "surrogateescape")
    found = []
    for record in filter(None, listed.split("\0\0")):
        lines = dict(line.partition(" ")[::2] for line in record.split("\0"))
        branch = lines.get("branch", "").removeprefix(branch_ref(""))
        found.append(_WorkTree(Path(lines["worktree"]), branch))
    return found
