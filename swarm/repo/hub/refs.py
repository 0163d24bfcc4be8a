"""The hub's refs: what each is called, and how they change.

::

    refs/heads/<branch>                       integration branch; the trailers on it are the truth
    refs/swarm/base/<commit>                  keeps an imported commit
    refs/swarm/attempt/<run>/<task>/<n>       a durable attempt that waits for its merge
    refs/swarm/rejected/<run>/<task>/<n>      an attempt that was sent back
    refs/swarm/candidate/<run>/<task>/<n>.<k> made by the k-th agent of attempt n, and not yet judged
    refs/swarm/passed/<run>/<task>/<n>.<k>    the same when it has passed; none was chosen yet
    refs/swarm/approved/<run>/<task>          tag of the attempt that a person approved: who, when and why
    refs/swarm/fence/<branch>                 blob: the highest merge token that has begun
    refs/swarm/done/<run>/<task>              the landed commit; guards against a second landing
    refs/swarm/hub                            blob: the hub's name; runs remember it
    refs/swarm/unchanged/<run>/<task>         the tip that already held what the attempt wanted

`<task>` is a hash: task ids never become file names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

IDENTITY_REF = "refs/swarm/hub"
RUN_KINDS = ("attempt", "rejected", "candidate", "passed", "approved", "done", "unchanged")
"""What a run has refs of, beside its branch and the fence of that."""
TASK_KINDS = ("attempt", "candidate", "passed")
"""Those of them that say what is left to do of a task."""


def branch_ref(branch: str) -> str:
    """The full name of an integration branch."""
    return f"refs/heads/{branch}"


def base_ref(commit: str) -> str:
    """The ref that keeps an imported commit."""
    return f"refs/swarm/base/{commit}"


def fence_ref(branch: str) -> str:
    """The ref that holds a branch's highest merge token."""
    return f"refs/swarm/fence/{branch}"


def task_ref(kind: str, run: str, task: str) -> str:
    """A task's ref of one kind: `approved`, `done` or `unchanged`; the others are folders."""
    return f"refs/swarm/{kind}/{run}/{hash_task(task)}"


def attempt_ref(run: str, task: str, attempt: int) -> str:
    """The ref of one attempt."""
    return f"{task_ref('attempt', run, task)}/{attempt}"


def run_patterns(run: str, branch: str) -> list[str]:
    """All refs of a run, each pattern a name whose end is `*`; others, of longer names, may match too."""
    kinds = [f"refs/swarm/{kind}/{run}/*" for kind in RUN_KINDS]
    return [f"{branch_ref(branch)}*", f"{fence_ref(branch)}*", *kinds]


def task_patterns(run: str, task: str) -> list[str]:
    """The refs that say what is left to do of a task."""
    return [f"{task_ref(kind, run, task)}/*" for kind in TASK_KINDS]


def hash_task(task: str) -> str:
    """A task id as a name that is safe in any ref."""
    return hashlib.sha256(task.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class RefChange:
    """One line of a transaction. An empty `old` is any value; a `create` wants none to be there."""

    verb: str  # update, create, delete or verify
    ref: str
    new: str = ""
    old: str = ""

    def encoded(self) -> bytes:
        """The line, as `git update-ref --stdin -z` reads it."""
        parts = {
            "update": [self.new, self.old],
            "create": [self.new],
            "delete": [self.old],
            "verify": [self.old],
        }[self.verb]
        return "\0".join([f"{self.verb} {self.ref}", *parts, ""]).encode()

    def mirrored(self) -> "RefChange | None":
        """What remains to do in a mirror, whatever that had, once the server has done it."""
        if self.verb == "verify":
            return None
        return (
            RefChange("delete", self.ref)
            if self.verb == "delete"
            else RefChange("update", self.ref, self.new)
        )

    def lease(self) -> list[str]:
        """The value that the server must have, as an option of `git push`."""
        if self.verb == "create":
            return [f"--force-with-lease={self.ref}:"]
        return [f"--force-with-lease={self.ref}:{self.old}"] if self.old else []

    def refspec(self) -> str:
        """What the server is to have, as an argument of `git push`."""
        wanted = self.old if self.verb == "verify" else self.new
        return f"{'' if self.lease() else '+'}{wanted}:{self.ref}"

    def holds_in(self, refs: Mapping[str, str]) -> bool:
        """What it asks for is so already."""
        wanted = self.old if self.verb == "verify" else self.new
        return refs.get(self.ref, "") == wanted
