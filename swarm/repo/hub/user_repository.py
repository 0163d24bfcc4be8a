"""The user's own repository: read to know what it is, never changed but for one published branch."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from swarm.errors import RepositoryError
from swarm.repo.git.command import FETCH_ONLY, Answer, Git, GitError
from swarm.repo.hub.refs import branch_ref
from swarm.settings import online_environment

_SHA1_DIGITS = 40


class Publication(StrEnum):
    """What became of publishing a branch."""

    CREATED = "created"
    ADVANCED = "advanced"
    UP_TO_DATE = "up_to_date"
    CHECKED_OUT = "checked_out"
    DIVERGED = "diverged"
    BLOCKED = "blocked"  # a branch named like the first part of ours


@dataclass(frozen=True)
class Published:
    """The outcome of publishing a branch; `reason` says why it was left alone, and what to do."""

    publication: Publication
    branch: str
    commit: str
    reason: str = ""

    @property
    def succeeded(self) -> bool:
        """The user's branch is at `commit`."""
        return not self.reason


def commit_of(user_repository: Path, revision: str = "HEAD") -> str:
    """The id of the commit that a revision names in the user's repository.

    Raises:
        RepositoryError: not a repository, bare, without a commit, or no such revision.
    """
    git = Git.around(user_repository)
    inside = git.ask("rev-parse", "--is-bare-repository") if user_repository.is_dir() else None
    if inside is None or not inside.succeeded:
        raise RepositoryError(
            f"{str(user_repository)!r} is not a git repository",
            hint="run `git init`, add your files and commit them",
        )
    if inside.stdout.strip() == b"true":
        raise RepositoryError(
            f"{str(user_repository)!r} is a bare repository", hint="clone it and run swarm in the clone"
        )
    found = git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.succeeded:
        return found.stdout.decode().split()[-1]
    if revision == "HEAD":
        raise RepositoryError(
            f"{str(user_repository)!r} has no commit yet", hint="commit your files, then run swarm again"
        )
    raise RepositoryError(
        f"{str(user_repository)!r} has no commit {revision!r}", hint="`git log --oneline` lists commits"
    )


def repository_identity(user_repository: Path) -> str:
    """A name that all full clones share: the root commit of HEAD's first-parent history.

    A shallow clone does not know its root; it is named `shallow:<folder of its git data>` instead, so
    two shallow clones never pass for one repository.
    """
    git = Git.around(user_repository)
    commit = commit_of(user_repository)
    if git.one_line("rev-parse", "--is-shallow-repository") == "true":
        return "shallow:" + git.one_line("rev-parse", "--path-format=absolute", "--git-common-dir")
    return git.one_line("rev-list", "--first-parent", "--max-parents=0", commit)


def refuse_sha256(user_repository: Path, commit: str) -> None:
    """See that a hub can hold a repository, of which this is a commit.

    Raises:
        RepositoryError: its ids are longer than a hub's.
    """
    if len(commit) != _SHA1_DIGITS:
        raise RepositoryError(
            f"{str(user_repository)!r} names its objects by SHA-256, which swarm's hub cannot hold",
            hint="a clone by `git clone` of a SHA-1 repository, or `git init --object-format=sha1`",
        )


def ssh_command_of(user_repository: Path) -> str:
    """What git would reach a server by from there: `core.sshCommand`, the repository's own before the user's.

    Empty where there is none. The own one of a repository that belongs to somebody else does not count, since
    it would run as us; nor does that of one around the folder.
    """
    if not (user_repository / ".git").exists():
        return ""
    git = Git("-C", str(user_repository), environment=online_environment())
    answer = git.ask("-c", "safe.directory=", "config", "--get", "core.sshCommand")  # forget `*`
    return answer.stdout.decode("utf-8", "surrogateescape").rstrip("\n") if answer.succeeded else ""


def refuse_partial(user_repository: Path, commit: str, error: GitError) -> None:
    """Say of a clone that was made with a filter that it lacks files, where git could not bring a commit.

    Raises:
        RepositoryError: something is missing in the commit's history, and a remote has promised it.
    """
    git = Git.around(user_repository)
    promised = git.look_up("config", "--get-regexp", r"^remote\..*\.promisor$")
    listed = git.ask("rev-list", "--objects", "--missing=print", commit).stdout if promised else b""
    if not promised or b"\n?" not in listed:
        return
    remote = promised.partition("\n")[0].partition(" ")[0].removeprefix("remote.").removesuffix(".promisor")
    raise RepositoryError(
        f"{str(user_repository)!r} is a partial clone, and lacks files of its history",
        hint=f"`git fetch --refetch --no-filter {remote}` brings them;"
        f" `git config --unset remote.{remote}.partialclonefilter` keeps it whole",
    ) from error


def is_ancestor(git: Git, older: str, newer: str) -> bool:
    """One commit is in the other's history, or the same."""
    answer = git.ask("merge-base", "--is-ancestor", older, newer)
    if answer.exit_code < 0:  # killed: that is no answer; of a commit that is not there it says 128
        raise GitError(("git", "merge-base"), answer.exit_code, answer.stderr)
    return answer.succeeded


def stands_for(user: Git, branch: str) -> str:
    """The ref that is written where this branch is: git follows it, and sees not that it is checked out."""
    return user.look_up("symbolic-ref", "--quiet", branch_ref(branch)) or ""


def fetch_into(user: Git, hub_path: Path, source: str, branch: str) -> Answer:
    """Have the user's git fetch a ref or commit of the hub into a branch: no reflog, FETCH_HEAD or tag.

    git itself refuses what is no fast-forward, and a branch that is checked out.
    """
    options = ("-c", "core.logAllRefUpdates=false", "-c", "fetch.writeCommitGraph=false")
    return user.ask(*options, *FETCH_ONLY, "--", str(hub_path), f"{source}:{branch_ref(branch)}")


def why_unpublished(user_repository: Path, branch: str, tip: str) -> str:
    """Why `branch` does not hold `tip` in the user's repository; empty when it does, or there is none.

    Nothing is written.
    """
    if not (user_repository / ".git").exists():
        return ""
    user = Git.around(user_repository)
    current = user.ask("rev-parse", "--verify", "--quiet", branch_ref(branch)).stdout.decode().strip()
    if not current:
        return f"branch {branch!r} is not in this repository"
    if is_ancestor(user, tip, current):
        return ""
    return f"branch {branch!r} is at {current[:12]} in this repository, which does not hold what landed"


def publish_branch(hub: Git, hub_path: Path, user_repository: Path, branch: str) -> Published:
    """Create or fast-forward `branch` in the user's repository; never forced, no reflog, FETCH_HEAD or tag.

    A branch that is checked out there, or that holds commits of its own, is left alone: the answer
    says why and what to do.

    Raises:
        GitError: git failed for another reason: the hub has no such branch, the disk is full.
    """
    ref = branch_ref(branch)
    user = Git.around(user_repository)
    tip = hub.one_line("rev-parse", "--verify", ref)
    found = user.ask("rev-parse", "--verify", "--quiet", ref)
    current = found.stdout.decode().strip() if found.succeeded else ""
    if current == tip:
        return Published(Publication.UP_TO_DATE, branch, tip)
    if current and not is_ancestor(hub, current, tip):
        reason = f"branch {branch!r} has commits of its own ({current[:12]}); rename it, then publish again"
        return Published(Publication.DIVERGED, branch, tip, reason)
    if other := stands_for(user, branch):
        reason = f"branch {branch!r} stands for {other!r}; delete that name, then publish again"
        return Published(Publication.BLOCKED, branch, tip, reason)
    answer = fetch_into(user, hub_path, ref, branch)
    if answer.succeeded:
        publication = Publication.ADVANCED if current else Publication.CREATED
        return Published(publication, branch, tip)
    if b"refusing to fetch into" in answer.stderr:
        reason = f"branch {branch!r} is checked out; switch to another branch, then publish again"
        return Published(Publication.CHECKED_OUT, branch, tip, reason)
    parent = branch.partition("/")[0]
    if user.ask("rev-parse", "--verify", "--quiet", branch_ref(parent)).succeeded:
        reason = f"branch {parent!r} is in the way of {branch!r}; rename it, then publish again"
        return Published(Publication.BLOCKED, branch, tip, reason)
    raise GitError(["git", "fetch", str(hub_path), ref], answer.exit_code, answer.stderr)
