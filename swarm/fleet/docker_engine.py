"""The connection to a Docker engine: what runs, what is there, what a dead worker left, and what went wrong.

Errors of the SDK leave this module as `DockerUnreachableError` with a next step.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.utils import kwargs_from_env

from swarm.errors import DockerUnreachableError
from swarm.fleet.container import ContainerState
from swarm.fleet.process_id import ProcessId

PROJECT_LABEL = "swarm.project"
OWNER_LABEL = "swarm.process"
"""Which process started a container; `sweep` asks whether it still lives."""


class StartedContainer:
    """An `EngineContainer` by the SDK."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def state(self) -> ContainerState | None:
        """How it is, or None when it was removed."""
        with explained(""):
            try:
                self._container.reload()
            except NotFound:
                return None
        state = self._container.attrs["State"]
        return ContainerState(
            is_running=state["Running"],
            exit_code=state["ExitCode"],
            was_out_of_memory=state["OOMKilled"],
            error=state["Error"],
        )

    def kill(self) -> None:
        """Send it SIGKILL."""
        with explained(""):
            try:
                self._container.kill()
            except APIError as error:
                if error.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                    raise

    def remove(self) -> None:
        """Remove it and its volumes."""
        with explained(""), suppress(NotFound):
            self._container.remove(force=True, v=True)


def check_docker(image: str = "") -> str:
    """Say which engine answers, and that it has `image` (when one is named).

    Raises:
        DockerUnreachableError: no engine or no image; the hint is the next step.
    """
    with explained(image):
        client = connect()
        try:
            engine = f"engine {client.version()['Version']}"
            if not image:
                return engine
            return f"{engine}, image {image} {client.images.get(image).short_id}"
        finally:
            client.close()


def sweep(project: str) -> list[str]:
    """Remove the containers of `project` whose worker ran here and is dead; returns their names."""
    with explained(""):
        client = connect()
        try:
            found = client.containers.list(all=True, filters={"label": f"{PROJECT_LABEL}={project}"})
            dead = [each for each in found if _is_owner_dead(each)]
            for each in dead:
                each.remove(force=True, v=True)
            return [str(each.name) for each in dead]
        finally:
            client.close()


def _is_owner_dead(container: Container) -> bool:
    """The process that started it ran here and has ended."""
    owner = ProcessId.parse(container.labels.get(OWNER_LABEL, ""))
    return owner is not None and owner.is_dead()


def connect() -> DockerClient:
    """A client of the engine that the environment names, or of the default one."""
    with explained(""):
        return DockerClient.from_env()


def attach(container: Container) -> socket.socket:
    """A socket of our own on the container's stdin, stdout and stderr."""
    attached = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    if not isinstance(attached, socket.SocketIO):
        raise DockerException("agents need an engine on a unix socket: their trees are on this machine")
    # The SDK hands out its own, read-only and with a time limit; the connection below serves both ways.
    connection = socket.socket(fileno=os.dup(attached.fileno()))
    connection.settimeout(None)
    getattr(attached, "_response", attached).close()  # the SDK keeps the original alive there
    return connection


@contextmanager
def explained(image: str) -> Iterator[None]:
    """Turn what the SDK raises into an error with a next step."""
    try:
        yield
    except ImageNotFound as error:
        raise DockerUnreachableError(
            f"image {image!r} is not on this machine",
            hint="name another with --image, or build it in a checkout of swarm itself:"
            f" `docker build -t {image} -f docker/worker.Dockerfile .`",
        ) from error
    except (
        DockerException,
        OSError,
    ) as error:  # the SDK lets errors of its HTTP library through; they are OSErrors
        where = kwargs_from_env().get("base_url", "the default socket")
        message, hint = _diagnose(error)
        raise DockerUnreachableError(f"Docker at {where}: {message}", hint=hint) from error


def _diagnose(error: BaseException) -> tuple[str, str]:
    if isinstance(error, APIError):
        return str(error.explanation), "`docker info` says more"
    for cause in _causes(error):
        if isinstance(cause, PermissionError):
            return "permission denied", "add yourself to the group docker, or use --isolation process"
        if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
            return "no engine answers", "start it, check DOCKER_HOST, or use --isolation process"
    return str(error), "`docker info` says more"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
