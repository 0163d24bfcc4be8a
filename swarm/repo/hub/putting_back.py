"""What a person types where somebody has moved an integration branch back."""

import shlex
from collections.abc import Collection

from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import branch_ref
from swarm.repo.hub.user_repository import is_ancestor


def put_back(hub: Hub, branch: str, commit: str) -> str:
    """The command that moves a branch forward to a commit again, on this host; empty if not forward."""
    tip = hub.tip(branch)
    is_forward = tip != commit and (tip is None or is_ancestor(hub.git, tip, commit))
    if not is_forward or hub.resolve(f"{commit}^{{commit}}") is None:
        return ""
    mirror = ["git", "-C", str(hub.path)]
    if hub.remote is None:
        return shlex.join([*mirror, "update-ref", branch_ref(branch), commit])
    return shlex.join([*mirror, "push", hub.remote.url, f"{commit}:{branch_ref(branch)}"])


def newest_of(hub: Hub, commits: Collection[str]) -> str:
    """The one of these commits that all others lead to; empty: there is none, or one of them is not here."""
    named = "".join(f"{commit}\n" for commit in commits)  # not as arguments: a run may have landed too many
    first = hub.git.ask("rev-list", "--topo-order", "--max-count=1", "--stdin", stdin=named.encode())
    newest = first.stdout.decode().strip()
    if not first.succeeded or not newest:
        return ""
    beside = hub.git.ask("rev-list", "--max-count=1", "--stdin", stdin=f"{named}^{newest}\n".encode())
    return newest if beside.succeeded and not beside.stdout else ""
