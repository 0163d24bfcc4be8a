"""The hub: the bare repository under `.swarm/` in which attempts are kept and landed.

The user's repository is only ever read from (`import_base`), and written in one way (`publish`). Where
hosts share a git server, this is a host's mirror of it: refs move there first, and whoever is about to
decide something by a ref that another host may have moved mirrors it anew (`mirror_run`, `mirror_task`).
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from swarm.errors import HubUnreachableError, RepositoryError
from swarm.repo.git.command import FETCH_ONLY, GitError
from swarm.repo.hub.making import make_hub
from swarm.repo.hub.reading import HubReads
from swarm.repo.hub.refs import (
    IDENTITY_REF,
    RefChange,
    base_ref,
    branch_ref,
    fence_ref,
    run_patterns,
    task_patterns,
    task_ref,
)
from swarm.repo.hub.remote import LIMIT_S, Remote
from swarm.repo.hub.user_repository import (
    Published,
    commit_of,
    publish_branch,
    refuse_partial,
    refuse_sha256,
)
from swarm.repo.hub.writing import PATIENCE_S, RefWriter, apply_all, writing_refs

REFS_A_CALL = 500
"""A push names them on its command line."""


class Hub(HubReads):
    """The bare repository `.swarm/repo.git`. Safe to use from several threads and processes."""

    def __init__(
        self,
        path: Path,
        *,
        address: str = "",
        patience_s: float = PATIENCE_S,
        limit_s: float = LIMIT_S,
        ssh_command: str = "",
    ) -> None:
        super().__init__(path)
        self._patience_s = patience_s
        self.remote = Remote(address, path, limit_s=limit_s, ssh_command=ssh_command) if address else None
        self._identity = ""

    @classmethod
    def open_or_create(
        cls, path: Path, *, address: str = "", limit_s: float = LIMIT_S, ssh_command: str = ""
    ) -> Self:
        """Open the hub at `path`, complete or not at all; its folder hides from the user's git.

        Args:
            path: where it is, or will be, on this host.
            address: of the git server that hosts share; empty: there is none.
            limit_s: how long it may take to answer one call.
            ssh_command: what ssh reaches it by; see `Remote`.
        """
        path = path.absolute()
        make_hub(path)
        return cls(path, address=address, limit_s=limit_s, ssh_command=ssh_command)

    @property
    def home(self) -> Path:
        """The folder of everything that swarm keeps for this repository."""
        return self.path.parent

    def identity(self) -> str:
        """The hub's name, which is its own, whatever its address here; empty: it has none yet.

        Raises:
            HubUnreachableError: the git server could not be asked.
        """
        if not self._identity:
            found = self.remote.list([IDENTITY_REF]) if self.remote else self.refs_named(IDENTITY_REF)
            self._identity = found.get(IDENTITY_REF, "")
        return self._identity

    # base and result ----------------------------------------------------------------------------

    def import_base(self, user_repository: Path, revision: str = "HEAD") -> str:
        """Copy a commit and its history here and keep it; return its id. The user's repository is only read.

        Raises:
            RepositoryError: not a repository, bare, without a commit, with SHA-256 ids, no such revision, or
                a partial clone that lacks some of its history.
        """
        commit = commit_of(user_repository, revision)
        refuse_sha256(user_repository, commit)
        if self.resolve(base_ref(commit)) is None:
            with self.writing_refs() as writer:
                writer.clear_stale_locks([base_ref(commit)])
                source = str(user_repository.absolute())
                refspec = f"{commit}:{base_ref(commit)}"
                try:
                    self.git.run(
                        *FETCH_ONLY, "--update-shallow", "--", source, refspec, keep_fds=[writer.lock_fd]
                    )
                except GitError as error:
                    refuse_partial(user_repository, commit, error)
                    raise
        return commit

    def share_base(self, commit: str) -> None:
        """See that other hosts can begin at an imported commit: they know no user's repository.

        Raises:
            RepositoryError: the user's clone is shallow, and the git server lacks what that lacks.
            GitError: the server did not take it for another reason.
            HubUnreachableError: it could not be asked.
        """
        with self.writing_refs() as writer:
            try:
                writer.share(base_ref(commit))
            except GitError as error:
                if "shallow" not in error.stderr:
                    raise
                raise RepositoryError(
                    f"hub {self.remote} does not have the history that this shallow clone lacks",
                    hint="run `git fetch --unshallow`, or name a hub that has it",
                ) from error

    def start_branch(self, branch: str, commit: str) -> str:
        """Make the integration branch begin at `commit`, unless it exists already; return its tip."""
        with self.writing_refs() as writer:
            existing = self.tip(branch)
            if existing is None:
                create = RefChange("create", branch_ref(branch), new=commit)
                answer = writer.transact([create])
                existing = self.tip(branch)  # another host may have been faster
                if existing is None:
                    raise writer.refusal(answer)
        return existing

    # of other hosts -----------------------------------------------------------------------------

    def mirror_run(self, run: str, branch: str) -> None:
        """See what other hosts have done for a run, if there are any.

        Raises:
            HubUnreachableError: the git server could not be asked.
        """
        self._mirror(run_patterns(run, branch))

    def mirror_task(self, run: str, task: str, *, base: str = "", branch: str = "") -> None:
        """See what other hosts have left of a task, and that the commit to begin at is here.

        Raises:
            HubUnreachableError: the git server could not be asked, or does not have the commit.
        """
        if self.remote is None:
            return
        is_here = not base or self.git.ask("cat-file", "-e", f"{base}^{{commit}}").succeeded
        missing = [] if is_here else [f"{branch_ref(branch)}*", f"{base_ref(base)}*"]
        self._mirror([*task_patterns(run, task), *missing])
        if base and self.resolve(f"{base}^{{commit}}") is None:
            raise HubUnreachableError(
                f"hub {self.remote} does not have commit {base[:12]}, where run {run} begins",
                hint="whoever submits and all workers and supervisors must name the same hub",
            )

    def _mirror(self, patterns: list[str]) -> None:
        if self.remote is not None:
            with self.writing_refs() as writer:
                writer.mirror(patterns)

    def publish(self, user_repository: Path, branch: str) -> Published:
        """Create or fast-forward the branch in the user's repository; never forced (see `publish_branch`)."""
        return publish_branch(self.git, self.path, user_repository, branch)

    # writing ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing_refs(self) -> Iterator[RefWriter]:
        """Hold the one lock of all ref writers; every write below takes it.

        Raises:
            RefsBusyError: somebody else held it for all of the hub's patience.
        """
        with writing_refs(self.git, self.path, remote=self.remote, patience_s=self._patience_s) as writer:
            yield writer

    def raise_fence(self, branch: str, merge_token: int) -> str | None:
        """Write the token to the branch's fence and return its blob, or None: a higher one is there."""
        ref, new = fence_ref(branch), self.write_blob(f"{merge_token}\n")
        with self.writing_refs() as writer:
            while True:
                if self.fence(branch) > merge_token:
                    return None
                blob = self.resolve(ref)
                if new == blob:
                    return new
                answer = writer.transact([RefChange("update" if blob else "create", ref, new, blob or "")])
                if answer.succeeded:
                    return new
                if self.resolve(ref) == blob:  # not even another host's doing
                    raise writer.refusal(answer)

    def seal_fence(self, merge_token: int, head: str) -> str:
        """The blob that the fence holds once a train has landed: not what any other train has seen there.

        It moves with the branch. A git server compares only refs that move: a fence that was left alone
        could be raised by another host between its look and the landing.
        """
        return self.write_blob(f"{merge_token}\n{head}\n")

    def write_blob(self, text: str) -> str:
        """Keep a text as an object; its id."""
        return self.git.run("hash-object", "-w", "--stdin", stdin=text.encode()).decode().strip()

    def create_refs(self, refs: dict[str, str]) -> None:
        """Create refs, or move existing ones: name -> object id; some hundreds of them at once."""
        changes = [RefChange("update", ref, new=target) for ref, target in refs.items()]
        with self.writing_refs() as writer:
            for start in range(0, len(changes), REFS_A_CALL):
                apply_all(writer, changes[start : start + REFS_A_CALL])

    def reject_attempts(self, run: str, task: str, *, upto: int) -> None:
        """Keep attempts up to a number for people to look at; `find_attempt` finds them never again."""
        attempt, rejected = task_ref("attempt", run, task), task_ref("rejected", run, task)
        with self.writing_refs() as writer:
            refs = self.refs_under(f"{attempt}/")
            found = {ref: commit for ref, commit in refs.items() if int(ref.rpartition("/")[2]) <= upto}
            kept = [
                RefChange("update", ref.replace(attempt, rejected, 1), new=commit)
                for ref, commit in found.items()
            ]
            apply_all(writer, [*kept, *(RefChange("delete", ref, old=old) for ref, old in found.items())])

    def sweep_landed(self, run: str, attempts: Mapping[str, int]) -> None:
        """As `sweep_attempts`, of tasks (-> their last attempt) of which no other attempt can be there."""
        names = [
            f"{task_ref(kind, run, task)}/{number}"
            for task, last in attempts.items()
            for kind in ("attempt", "rejected")
            for number in range(1, last + 1)
        ]
        names += [task_ref("approved", run, task) for task in attempts]
        with self.writing_refs() as writer:
            found = self.refs_named(*names)
            apply_all(writer, [RefChange("delete", ref, old=old) for ref, old in found.items()])

    def sweep_attempts(self, run: str, *tasks: str) -> None:
        """Delete the attempts of these tasks, judged and unjudged, and what was approved. Safe to repeat."""
        kinds = ("attempt", "rejected", "candidate", "passed")
        folders = [task_ref(kind, run, task) + "/" for task in tasks for kind in kinds]
        approved = [task_ref("approved", run, task) for task in tasks]
        with self.writing_refs() as writer:
            found = self.refs_under(*folders, *approved)
            apply_all(writer, [RefChange("delete", ref, old=old) for ref, old in found.items()])
