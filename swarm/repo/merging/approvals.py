"""A person's word for an attempt: a tag of its very commit, with who gave it, when and why."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from swarm.engine.claims import MergeTicket
from swarm.repo.gates.guarded import Guarded
from swarm.repo.git.tree import TreeChange
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import task_ref
from swarm.repo.merging.landing import unapproved


@dataclass(frozen=True)
class Approval:
    """Who approved which attempt."""

    commit: str
    by: str


def approve(hub: Hub, run: str, task: str, *, commit: str, by: str, message: str = "") -> None:
    """Let this attempt of the task land, whatever it changes; another one needs another word.

    Raises:
        RefsBusyError: no ref can be written now.
    """
    name = "".join(each for each in by if each.isprintable() and each not in "<>").strip() or "somebody"
    tag = (
        f"object {commit}\ntype commit\ntag approved\n"
        f"tagger {name} <> {int(time.time())} +0000\n\n{message or 'approved'}\n"
    )
    made = hub.git.run("mktag", stdin=tag.encode("utf-8", "replace")).decode().strip()
    hub.create_refs({task_ref("approved", run, task): made})


def find_approval(hub: Hub, run: str, task: str) -> Approval | None:
    """The last word given for a task, or None."""
    tag = hub.git.ask("cat-file", "tag", task_ref("approved", run, task))
    if not tag.succeeded:
        return None
    head = dict(line.split(" ", 1) for line in tag.stdout.decode().partition("\n\n")[0].splitlines())
    return Approval(head["object"], head["tagger"].partition(" <")[0])


class Guard:
    """Lets nothing that is guarded change without a person's word for this very attempt."""

    def __init__(self, hub: Hub, guarded: Guarded) -> None:
        self._hub = hub
        self._guarded = guarded

    def approver(self, ticket: MergeTicket, changes: Sequence[TreeChange]) -> str:
        """Who approved that the attempt makes these changes; empty when nobody has to.

        Raises:
            NotLandingError: nobody has yet.
        """
        found = self._guarded.find(os.fsdecode(change.path) for change in changes)
        if not found:
            return ""
        approval = find_approval(self._hub, ticket.run, ticket.task.id)
        if approval is None or approval.commit != ticket.commit:
            raise unapproved(found)
        return approval.by
