"""Agents and gates in hardened containers: one container per attempt, removed with it.

A container runs the tool host (standard library only), so any image with python3 will do. It holds
no credential, no network and nothing but its own tree; an image that is not there is an error with
the next step, never a download.

Labels say whose a container is: what the caller gives (swarm.project, swarm.run, swarm.attempt,
swarm.worker) and which process started it, so that `sweep` can tell what a dead worker left behind.
The tree is mounted from this machine, so the engine must run here too.
"""

import io
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from docker import DockerClient
from docker.models.containers import Container
from docker.types import LogConfig, Mount, Ulimit

from swarm import sandbox
from swarm.errors import DockerUnreachableError
from swarm.fleet.container import ContainerSandbox, RunningContainer
from swarm.fleet.docker_engine import OWNER_LABEL, StartedContainer, attach, connect, explained
from swarm.fleet.frames import StdinWriter, StdoutReader
from swarm.fleet.handover import hand_over
from swarm.fleet.process_id import ProcessId
from swarm.fleet.resources import await_room
from swarm.sandbox.client import MAX_LOG_BYTES
from swarm.sandbox.protocol import Sandbox, SandboxEndedError, ToolError

AGENT_UID = 10001
WORKSPACE = "/workspace"
TOOLS = "/opt/swarm-sandbox"
HOME = "/home/agent"
TMPFS_MB = 512
MAX_OPEN_FILES = 4096
MEMORY_LABEL = "swarm.memory_mb"
ROOM_WAIT_S = 600.0
_ENVIRONMENT = {
    "HOME": HOME,
    "LANG": "C.UTF-8",
    "CI": "true",
    "NO_COLOR": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class DockerLauncher:
    """Starts a tool host in a container of its own for each tree.

    Args:
        image: what the container is made from; it must be on this machine.
        memory_mb: memory and swap together, MiB.
        cpus: CPUs' worth of time; cut down to what the machine has.
        pids: most processes and threads at once.
        uid: whom the agent runs as; None is 10001 when we are root, else ourselves.
        labels: added to those of each container.
        read_only: more folders of this machine, by their place in the container.
        room_wait_s: how long to wait for memory before giving up.
        max_log_bytes: what one command adds to its log at most.
    """

    def __init__(
        self,
        *,
        image: str,
        memory_mb: int,
        cpus: float,
        pids: int,
        uid: int | None = None,
        labels: Mapping[str, str] | None = None,
        read_only: Mapping[str, Path] | None = None,
        room_wait_s: float = ROOM_WAIT_S,
        max_log_bytes: int = MAX_LOG_BYTES,
    ) -> None:
        self._max_log_bytes = max_log_bytes
        self.sees_mounts = False  # the engine may have a namespace of its own, where the tree would be empty
        self._image = image
        self._memory_mb = memory_mb
        self._cpus = cpus
        self._pids = pids
        self._labels = dict(labels or {})
        self._read_only = dict(read_only or {})
        self._room_wait_s = room_wait_s
        is_root = os.geteuid() == 0
        self._uid = uid if uid is not None else AGENT_UID if is_root else os.geteuid()
        self._gid = self._uid if is_root or uid is not None else os.getegid()

    def open(self, tree: Path, *, labels: Mapping[str, str]) -> Sandbox:
        """Start a tool host on `tree`; waits until the machine has room for it, and until it answers.

        As root the tree is given to the agent's user first.

        Raises:
            DockerUnreachableError: no engine, no image, or the container cannot be started. It is
                never the task's fault.
            LimitReachedError: there was no room in time, or never can be.
        """
        tree = tree.resolve(strict=True)
        await_room(self._memory_mb, promised_mb=self._promised_mb, limit_s=self._room_wait_s)
        if os.geteuid() == 0 and self._uid != 0:
            hand_over(tree, uid=self._uid, gid=self._gid)
        with explained(self._image):
            container = self._create(tree, labels)
            try:
                opened = self._start(container, tree)
            except BaseException:
                container.remove(force=True, v=True)
                raise
        self._await_answer(opened)
        return opened

    def close(self) -> None:
        """Close the connection to the engine; containers go on."""
        if "_client" in self.__dict__:
            self._client.close()

    @cached_property
    def _client(self) -> DockerClient:
        return connect()

    def _promised_mb(self) -> int:
        """What the running containers of all projects may grow to."""
        with explained(self._image):
            found = self._client.api.containers(filters={"label": MEMORY_LABEL})
        return sum(int(each["Labels"][MEMORY_LABEL]) for each in found)

    def _create(self, tree: Path, labels: Mapping[str, str]) -> Container:
        folders = {TOOLS: Path(sandbox.__file__).parent, **self._read_only}
        user_tmpfs = f"rw,exec,nosuid,nodev,size={TMPFS_MB}m,uid={self._uid},gid={self._gid},mode=0700"
        return self._client.containers.create(
            self._image,
            ["--tree", WORKSPACE],
            entrypoint=["python3", "-I", f"{TOOLS}/tool_host.py"],
            user=f"{self._uid}:{self._gid}",
            hostname="agent",
            working_dir=WORKSPACE,
            environment=_ENVIRONMENT,
            use_config_proxy=False,  # the user's proxy settings may hold a password
            labels={
                **self._labels,
                **labels,
                OWNER_LABEL: str(ProcessId.mine()),
                MEMORY_LABEL: str(self._memory_mb),
            },
            mounts=[
                Mount(WORKSPACE, str(tree), type="bind"),
                *(Mount(at, str(here), type="bind", read_only=True) for at, here in folders.items()),
            ],
            tmpfs={"/tmp": f"rw,exec,nosuid,nodev,size={TMPFS_MB}m,mode=1777", HOME: user_tmpfs},  # noqa: S108
            read_only=True,
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=f"{self._memory_mb}m",
            memswap_limit=f"{self._memory_mb}m",
            nano_cpus=int(min(self._cpus, self._engine_cpus) * 1e9),
            pids_limit=self._pids,
            ulimits=[Ulimit(name="nofile", soft=MAX_OPEN_FILES, hard=MAX_OPEN_FILES)],
            init=True,
            log_config=LogConfig(
                type="local", config={"max-size": "1m", "max-file": "1", "compress": "false"}
            ),
            stdin_open=True,  # and closed with our connection: a dead worker's tool host ends by itself
        )

    @cached_property
    def _engine_cpus(self) -> int:
        return int(self._client.info()["NCPU"])

    def _start(self, container: Container, tree: Path) -> ContainerSandbox:
        connection = attach(container)
        try:
            container.start()
        except BaseException:
            connection.close()
            raise
        stdout = StdoutReader(connection)
        return ContainerSandbox(
            tree,
            requests=io.BufferedWriter(StdinWriter(connection)),
            replies=io.BufferedReader(stdout, 65536),
            host=RunningContainer(StartedContainer(container), stdout, memory_mb=self._memory_mb),
            memory_mb=self._memory_mb,
            max_log_bytes=self._max_log_bytes,
            inside=WORKSPACE,
        )

    def _await_answer(self, opened: ContainerSandbox) -> None:
        """Wait for the tool host's first answer: what the image lacks shows here, not in the agent's work."""
        try:
            with suppress(ToolError):  # a refusal is an answer too
                opened.call("read_file", {"path": "."})
        except SandboxEndedError as error:
            opened.close()
            raise DockerUnreachableError(
                f"the tool host does not run in image {self._image!r}: {error}",
                hint="the image needs python3 >= 3.10",
            ) from error
        except BaseException:
            opened.close()
            raise
