"""Attempts taken from a workspace."""

from swarm.plan.scope import WriteScope
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import attempt_ref
from swarm.repo.workspaces.workspace import Taken, Workspace, take_attempt

REF = attempt_ref("run1", "task", 1)


def take(hub: Hub, workspace: Workspace, *patterns: str, max_file_bytes: int = 10_000) -> Taken:
    """Take the attempt under a write scope."""
    return take_attempt(
        hub,
        workspace,
        scope=WriteScope(patterns),
        message="attempt",
        ref=REF,
        max_file_bytes=max_file_bytes,
    )
