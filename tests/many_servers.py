"""Real Redis servers on ports of their own: behind three sentinels, and as a cluster of three masters."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from swarm.engine.connect import open_store
from swarm.engine.store import Reply
from swarm.engine.words import hash_of, text_of
from swarm.errors import StoreReplyError, StoreUnreachableError

DEADLINE_S = 30.0
SERVICE = "mymaster"
PASSWORD = "not-a-secret"  # of servers that live for one test


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Poll until something is so; a server that is made a replica drops those who ask it meanwhile."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        with suppress(StoreUnreachableError):
            if condition():
                return
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.02)


@dataclass
class Node:
    """One server, or sentinel, of a test."""

    folder: Path
    argv: list[str]
    port: int = field(default_factory=free_port)
    password: str = ""
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> "Node":
        """Start the process, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        binary = shutil.which("redis-server") or "redis-server"
        own = ["--port", str(self.port), "--dir", str(self.folder), "--bind", "127.0.0.1"]
        # A master waits for 5 s whether more replicas come before it copies itself to the first.
        at_once = [] if "--sentinel" in self.argv else ["--repl-diskless-sync-delay", "0"]
        self._process = subprocess.Popen(
            [binary, *self.argv, *own, *at_once, "--save", "", "--logfile", str(self.folder / "log")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._answers, f"the server on {self.address}")
        return self

    def stop(self) -> None:
        """Kill it; safe to repeat."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def tell(self, *command: str | int) -> Reply:
        """One command, on a connection of its own."""
        login = f":{self.password}@" if self.password else ""
        store = open_store(f"redis://{login}{self.address}", timeout_s=2.0)
        try:
            return store.call(*command)
        finally:
            store.close()

    def info(self, section: str) -> dict[str, str]:
        """A section of INFO."""
        lines = text_of(self.tell("INFO", section)).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            self.tell("PING")
        except StoreUnreachableError:
            return False
        return True


@dataclass
class Watched:
    """A master with a replica, watched by three sentinels."""

    servers: list[Node]
    sentinels: list[Node]
    sentinel_password: str = ""

    @property
    def url(self) -> str:
        """What a user would set."""
        hosts = ",".join(one.address for one in self.sentinels)
        own = f"?sentinel_password={self.sentinel_password}" if self.sentinel_password else ""
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}{own}"

    def master(self) -> Node:
        """The server that the sentinels take for the master."""
        reply = self.sentinels[0].tell("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        assert isinstance(reply, list)
        return next(one for one in self.servers if str(one.port) == text_of(reply[1]))

    def replica(self) -> Node:
        """The other one."""
        return next(one for one in self.servers if one is not self.master())

    def is_settled(self) -> bool:
        """The replica follows, and the sentinels know it and each other."""
        known = [hash_of(one.tell("SENTINEL", "MASTER", SERVICE)) for one in self.sentinels]
        seen = {(one["num-slaves"], one["num-other-sentinels"], one["flags"]) for one in known}
        link = self.replica().info("replication").get("master_link_status")
        return (seen, link) == ({("1", "2", "master")}, "up")


@contextmanager
def watched(folder: Path, *, sentinel_password: str = "") -> Iterator[Watched]:
    """Start two servers and three sentinels, which may ask for a password too; kill them all."""
    secret = ["--requirepass", PASSWORD, "--masterauth", PASSWORD]
    nodes: list[Node] = []
    try:
        master = Node(folder / "one", [*secret], password=PASSWORD)
        nodes.append(master.start())
        replica = Node(
            folder / "two", [*secret, "--replicaof", "127.0.0.1", str(master.port)], password=PASSWORD
        )
        nodes.append(replica.start())
        sentinels = []
        for number in range(3):
            config = folder / f"sentinel{number}.conf"
            config.write_text(
                f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 2\n"
                f"sentinel auth-pass {SERVICE} {PASSWORD}\n"
                f"sentinel down-after-milliseconds {SERVICE} 500\n"
                f"sentinel failover-timeout {SERVICE} 3000\n"
                + (f"requirepass {sentinel_password}\n" if sentinel_password else "")
            )
            argv = [str(config), "--sentinel"]
            sentinel = Node(folder / f"sentinel{number}", argv, password=sentinel_password)
            nodes.append(sentinel.start())
            sentinels.append(sentinel)
        found = Watched([master, replica], sentinels, sentinel_password)
        wait_for(found.is_settled, "the sentinels to know each other")
        yield found
    finally:
        for node in nodes:
            node.stop()


@dataclass
class Cluster:
    """Three masters, and a replica of the one that is asked for."""

    masters: list[Node]
    replica: Node

    @property
    def url(self) -> str:
        """What a user would set: two of the nodes are enough."""
        return f"redis+cluster://{','.join(one.address for one in self.masters[:2])}"

    def owner(self, key: str) -> Node:
        """The node that serves a key."""
        slot = self.masters[0].tell("CLUSTER", "KEYSLOT", key)
        assert isinstance(slot, int)
        return self.masters[slot * 3 // 16_384]

    def is_settled(self) -> bool:
        """Every node knows the others, and all slots are served."""
        said = [text_of(one.tell("CLUSTER", "INFO")) for one in (*self.masters, self.replica)]
        return all("cluster_state:ok" in one and "cluster_known_nodes:4" in one for one in said)


@contextmanager
def cluster(folder: Path, *, key: str) -> Iterator[Cluster]:
    """Start a cluster whose replica follows the master of `key`; kill it."""
    nodes: list[Node] = []
    try:
        for number in range(4):
            bus = ["--cluster-port", str(free_port()), "--cluster-node-timeout", "1000"]
            own = ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no", *bus]
            nodes.append(Node(folder / f"node{number}", own).start())
        found = Cluster(nodes[:3], nodes[3])
        for place, node in enumerate(found.masters):
            first, last = -(-place * 16_384 // 3), -(-(place + 1) * 16_384 // 3) - 1
            node.tell("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in nodes[1:]:
            bus_port = node.argv[node.argv.index("--cluster-port") + 1]
            nodes[0].tell("CLUSTER", "MEET", "127.0.0.1", node.port, bus_port)
        wait_for(found.is_settled, "the cluster to be whole")
        owner = text_of(found.owner(key).tell("CLUSTER", "MYID"))
        wait_for(lambda: _follows(found.replica, owner), "the replica to know its master")
        wait_for(lambda: found.replica.info("replication").get("master_link_status") == "up", "replication")
        yield found
    finally:
        for node in nodes:
            node.stop()


def _follows(replica: Node, owner: str) -> bool:
    try:
        replica.tell("CLUSTER", "REPLICATE", owner)
    except StoreReplyError:
        return False
    return True
