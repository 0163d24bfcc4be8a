"""Which launcher a setting means."""

import os
import socket

from swarm.sandbox.protocol import Launcher
from swarm.settings import Settings


def open_launcher(settings: Settings) -> Launcher:
    """The launcher for `settings.isolation`.

    Raises:
        DockerUnreachableError: docker was asked for, and there is no engine or no image.
    """
    if settings.isolation == "docker":
        from swarm.fleet.docker import DockerLauncher, check_docker

        check_docker(settings.image)
        return DockerLauncher(
            image=settings.image,
            memory_mb=settings.memory_mb,
            cpus=settings.cpus,
            pids=settings.pids,
            labels={
                "swarm.project": settings.project,
                "swarm.host": socket.gethostname(),
                "swarm.pid": str(os.getpid()),
            },
        )
    from swarm.fleet.process import ProcessLauncher

    return ProcessLauncher()
