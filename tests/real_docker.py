"""A real Docker engine: finding it, a small image for it, and what is left on it."""

import io
import os
import socket
import tarfile
from contextlib import suppress
from pathlib import Path

import docker
import pytest
from docker import DockerClient
from docker.errors import DockerException, ImageNotFound

FAST_IMAGE = "swarm-test-fast"
"""An image of nearly nothing: the machine's own /usr is mounted into its containers."""

BARE_IMAGE = "swarm-test-bare"
"""The same without anybody mounting /usr: it has no python3."""

USR = {"/usr": Path("/usr")}


def connect() -> DockerClient:
    """The engine of `DOCKER_HOST`; without one the test fails in CI and is skipped elsewhere."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    try:
        if host.startswith("unix://"):
            # The SDK forgets to close a socket that it could not connect.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(host.removeprefix("unix://"))
        client = docker.from_env()
        client.ping()
    except (DockerException, OSError) as error:
        text = f"needs a Docker engine (`docker/engine.sh start DIR`, then export DOCKER_HOST): {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return client


def make_fast_image(client: DockerClient, name: str) -> None:
    """Import a handful of links as an image, once; it stays, for its size is next to nothing."""
    with suppress(ImageNotFound):
        client.images.get(name)
        return
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        # Not sbin: the engine puts its init there.
        for folder in ("bin", "lib", "lib64"):
            link = tarfile.TarInfo(folder)
            link.type = tarfile.SYMTYPE
            link.linkname = f"usr/{folder}"
            tar.addfile(link)
        users = b"root:x:0:0::/root:/bin/sh\n"
        passwd = tarfile.TarInfo("etc/passwd")
        passwd.size = len(users)
        tar.addfile(passwd, io.BytesIO(users))
    client.api.import_image_from_data(packed.getvalue(), repository=name)


def labelled(client: DockerClient, **labels: str) -> list[str]:
    """Names of all containers, running or not, with these `swarm.` labels."""
    wanted = [f"swarm.{name}={value}" for name, value in labels.items()]
    return [str(each.name) for each in client.containers.list(all=True, filters={"label": wanted})]


def image_from(variable: str, default: str) -> str:
    """An image that `.ci/docker.sh` makes; without it the test fails in CI and is skipped elsewhere."""
    name = os.environ.get(variable, default)
    client = connect()
    try:
        client.images.get(name)
    except ImageNotFound:
        text = f"needs image {name!r}: `source .ci/docker.sh` makes it"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    finally:
        client.close()
    return name
