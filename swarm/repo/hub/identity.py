"""Which hub a run is in: a hub has a name of its own, whatever address each host reaches it by."""

import secrets
import socket
from typing import Protocol

from swarm.errors import OtherHubError
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import IDENTITY_REF, RefChange


def name_hub(hub: Hub) -> str:
    """The hub's name; one is given to a hub that has none.

    Raises:
        HubUnreachableError: it could not be asked, or does not take it.
    """
    if not hub.identity():
        create = RefChange("create", IDENTITY_REF, new=hub.write_blob(f"{secrets.token_hex(16)}\n"))
        if hub.remote:
            hub.remote.push([create])  # and not in the mirror, which may be a hub of its own to others
        else:
            with hub.writing_refs() as writer:
                writer.transact([create])
    return hub.identity()  # or another host was faster


def describe_hub(hub: Hub) -> str:
    """Where it is, for people of all hosts."""
    return str(hub.remote) if hub.remote else f"{socket.gethostname()}:{hub.path}"


class RunInHub(Protocol):
    """What is known of a run, and of the hub that it was submitted to."""

    @property
    def run(self) -> str:
        """Its id."""

    @property
    def hub_id(self) -> str:
        """The hub's name; empty: not known."""

    @property
    def hub(self) -> str:
        """Where that is."""


def refuse_other_hub(hub: Hub, record: RunInHub) -> None:
    """See that a run is in this hub, which is the one that the settings name.

    Raises:
        OtherHubError: it is in another.
        HubUnreachableError: the git server could not be asked.
    """
    if record.hub_id and hub.identity() != record.hub_id:
        here = describe_hub(hub)
        raise OtherHubError(
            f"run {record.run} is in hub {record.hub}, and here the hub is {here}",
            hint="name the hub that it was submitted to: --hub, SWARM_HUB or `hub` in swarm.toml; none, and"
            " on that host, where it was submitted without one",
        )
