"""What an engine, an image or a machine lacks for containers is said with the next step."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from container_shell import Launch
from docker import DockerClient
from real_docker import BARE_IMAGE, FAST_IMAGE

from swarm.errors import DockerUnreachableError
from swarm.fleet.docker_engine import check_docker


@pytest.mark.docker
def test_a_missing_image_is_an_error_with_the_next_step(launch: Launch) -> None:
    """Nothing is downloaded behind anybody's back."""
    with pytest.raises(DockerUnreachableError, match="'swarm-test-none' is not on this machine") as caught:
        launch(image="swarm-test-none")

    assert "docker build" in caught.value.hint


@pytest.mark.docker
def test_checking_names_the_engine_and_the_image(docker_engine: DockerClient) -> None:
    """`swarm doctor` shows what would be used, or what is missing."""
    found = check_docker(FAST_IMAGE)

    assert docker_engine.version()["Version"] in found
    assert FAST_IMAGE in found
    with pytest.raises(DockerUnreachableError, match="swarm-test-none"):
        check_docker("swarm-test-none")


@pytest.mark.docker
def test_an_image_without_python_is_an_error_before_any_work(launch: Launch) -> None:
    """It is the image's fault, and said so, not a failed attempt."""
    with pytest.raises(DockerUnreachableError, match=f"does not run in image '{BARE_IMAGE}'") as caught:
        launch(image=BARE_IMAGE)

    assert "python3" in caught.value.hint


def test_a_machine_without_an_engine_is_told_how_to_start_one(tmp_path: Path) -> None:
    """The error names where it looked."""
    socket = f"unix://{tmp_path}/none.sock"
    program = """
        from swarm.errors import DockerUnreachableError
        from swarm.fleet.docker_engine import check_docker
        try:
            check_docker("any")
        except DockerUnreachableError as error:
            print(error.message, "|", error.hint)
    """

    told = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        env={**os.environ, "DOCKER_HOST": socket},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert told.startswith(
        f"Docker at unix://{tmp_path}/none.sock: no engine answers | start it, check DOCKER_HOST"
    )
