"""Which launcher a setting means."""

from swarm.sandbox.protocol import Launcher
from swarm.settings import Settings, scrubbed_environment, user_home


def open_launcher(settings: Settings) -> Launcher:
    """The launcher for `settings.isolation`; under docker, what dead workers left behind is removed first.

    Raises:
        DockerUnreachableError: docker was asked for, and there is no engine or no image.
    """
    if settings.isolation == "docker":
        from swarm.fleet.docker import DockerLauncher  # noqa: PLC0415  # half a second
        from swarm.fleet.docker_engine import check_docker, sweep  # noqa: PLC0415

        check_docker(settings.image)
        sweep(settings.project)
        return DockerLauncher(
            image=settings.image,
            memory_mb=settings.memory_mb,
            cpus=settings.cpus,
            pids=settings.pids,
            labels={"swarm.project": settings.project},
            max_log_bytes=settings.max_output_kb * 1024,
        )
    from swarm.fleet.confinement import open_confinement  # noqa: PLC0415
    from swarm.fleet.process import ProcessLauncher  # noqa: PLC0415

    confinement = open_confinement(settings, home=user_home(), environment=scrubbed_environment())
    return ProcessLauncher(max_log_bytes=settings.max_output_kb * 1024, confinement=confinement)
