"""A launcher of containers on a real engine, for a project of the test's own."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker import DockerClient
from real_docker import BARE_IMAGE, FAST_IMAGE, USR, connect, labelled, make_fast_image

from swarm.fleet.docker import DockerLauncher
from swarm.sandbox.protocol import Sandbox


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerClient]:
    """A connection to the engine, which has the images that tests use."""
    client = connect()
    for name in (FAST_IMAGE, BARE_IMAGE):
        make_fast_image(client, name)
    yield client
    client.close()


@pytest.fixture
def project(docker_engine: DockerClient) -> Iterator[str]:
    """A project's name; the test fails when it leaves a container behind, and then removes it."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    left = labelled(docker_engine, project=name)
    for each in left:
        docker_engine.containers.get(each).remove(force=True, v=True)
    assert left == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small workspace, as the trusted side makes it."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "README.md").write_text("a workspace\n")
    return tree


@pytest.fixture
def launch(project: str, tree: Path) -> Iterator[Callable[..., Sandbox]]:
    """Open a sandbox on the tree, with other limits where given; closed after the test."""
    opened: list[Sandbox] = []
    launchers: list[DockerLauncher] = []

    def open_one(
        *, memory_mb: int = 128, pids: int = 64, image: str = FAST_IMAGE, room_wait_s: float = 5
    ) -> Sandbox:
        launcher = DockerLauncher(
            image=image,
            memory_mb=memory_mb,
            cpus=1,
            pids=pids,
            labels={"swarm.project": project},
            read_only=USR if image == FAST_IMAGE else {},
            room_wait_s=room_wait_s,
        )
        launchers.append(launcher)
        opened.append(launcher.open(tree, labels={"swarm.run": "r1", "swarm.attempt": "r1/build/1"}))
        return opened[-1]

    yield open_one
    for sandbox in opened:
        sandbox.close()
    for launcher in launchers:
        launcher.close()
