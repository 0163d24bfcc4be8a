"""What `swarm doctor` looks at: is everything here that a run needs, and what to do if not."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass

from swarm.base_check import gates_on
from swarm.engine.connect import engine_for
from swarm.errors import SwarmError
from swarm.fleet.docker_engine import check_docker
from swarm.fleet.launch import open_launcher
from swarm.fleet.resources import available
from swarm.fleet.server import Server, ensure_server
from swarm.repo.gates import load_gates
from swarm.repo.git import OLDEST_GIT, git_version
from swarm.repo.hub import Hub
from swarm.repo.user_repository import commit_of
from swarm.sandbox.landlock import describe_landlock
from swarm.settings import Settings

LOW_DISK_MB = 1024
_INSIDE = ("redis", "gates")


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, what was found, and the next step."""

    name: str
    is_ok: bool
    is_needed: bool  # a run cannot go without it
    found: str
    hint: str = ""

    def line(self) -> str:
        """One line for a terminal."""
        mark = "ok  " if self.is_ok else "FAIL" if self.is_needed else "note"
        return f"{mark}  {self.name:<11} {self.found}" + (f"  -> {self.hint}" if self.hint else "")

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    """Run every check, the gates of HEAD among them; none raises, or changes anything but starting Redis."""
    checks: tuple[tuple[str, bool, Callable[[Settings], Finding]], ...] = (
        ("git", True, _git),
        ("repository", True, _repository),
        ("redis", True, _redis),
        ("gates", False, _gates),
        ("model", False, _model),
        ("docker", settings.isolation == "docker", _docker),
        ("confinement", False, _confinement),
        ("resources", False, _resources),
    )
    findings: list[Finding] = []
    for name, needed, check in checks:
        if name in _INSIDE and not all(found.is_ok for found in findings if found.name == "repository"):
            continue  # nothing is to be started or written where no run can be
        findings.append(_guarded(name, settings, check, is_needed=needed))
    return findings


def _guarded(
    name: str, settings: Settings, check: Callable[[Settings], Finding], *, is_needed: bool
) -> Finding:
    try:
        return check(settings)
    except SwarmError as error:
        return Finding(name, is_ok=False, is_needed=is_needed, found=error.message, hint=error.hint)


def _git(_settings: Settings) -> Finding:
    needed = ".".join(map(str, OLDEST_GIT))
    if shutil.which("git") is None:
        found = "not on PATH"
        return Finding("git", is_ok=False, is_needed=True, found=found, hint=f"install git {needed} or newer")
    version = git_version()
    is_new_enough = version >= OLDEST_GIT
    hint = "" if is_new_enough else f"git {needed} or newer is needed"
    found = f"git version {'.'.join(map(str, version))}"
    return Finding("git", is_ok=is_new_enough, is_needed=True, found=found, hint=hint)


def _repository(settings: Settings) -> Finding:
    commit = commit_of(settings.root)
    found = f"{settings.root} at {commit[:12]}, project {settings.project!r}"
    return Finding("repository", is_ok=True, is_needed=True, found=found)


def _redis(settings: Settings) -> Finding:
    server = ensure_server(settings)
    engine = engine_for(settings, server.url)
    warnings = engine.check_server()
    return Finding("redis", is_ok=True, is_needed=True, found=_where(server), hint="; ".join(warnings))


def _where(server: Server) -> str:
    return f"embedded, {server.binary}, {server.socket}" if server.is_embedded else "REDIS_URL answers"


def _gates(settings: Settings) -> Finding:
    hub = Hub.open_or_create(settings.hub)
    commit = hub.import_base(settings.root)
    names = ", ".join(gate.name for gate in load_gates(hub, commit))
    if not names:
        return Finding(
            "gates",
            is_ok=False,
            is_needed=False,
            found=f"none in swarm.toml at {commit[:12]}: only acceptance commands judge",
            hint="`swarm init` writes one; commit it",
        )
    log = settings.home / "logs" / "doctor.gate.log"
    red = gates_on(settings, commit, open_launcher(settings), log=log).failure
    if red is None:
        found = f"{names}: green on {commit[:12]}"
        return Finding("gates", is_ok=True, is_needed=False, found=found)
    return Finding(
        "gates",
        is_ok=False,
        is_needed=False,
        found=f"red on {commit[:12]} before any work: {red}",
        hint=f"no task can land until one makes it green; its output is in {log}",
    )


def _model(settings: Settings) -> Finding:
    if settings.has_model_credential:
        found = f"a credential is set; planner {settings.model_planner}"
        return Finding("model", is_ok=True, is_needed=False, found=found)
    return Finding(
        "model",
        is_ok=False,
        is_needed=False,
        found="no credential: `swarm plan` and executor `messages` cannot run",
        hint="set ANTHROPIC_API_KEY",
    )


def _docker(settings: Settings) -> Finding:
    found = check_docker(settings.image)
    return Finding("docker", is_ok=True, is_needed=settings.isolation == "docker", found=found)


def _confinement(settings: Settings) -> Finding:
    """How far the commands of agents and gates are kept from the rest of this machine."""
    if settings.isolation == "docker":
        found = "each agent has a container of its own"
        return Finding("confinement", is_ok=True, is_needed=False, found=found)
    is_ok, how = describe_landlock()
    hint = "" if is_ok else "agents can read and change what you can: use `--isolation docker`"
    return Finding("confinement", is_ok=is_ok, is_needed=False, found=f"agents are {how}", hint=hint)


def _resources(settings: Settings) -> Finding:
    have = available()
    free_mb = shutil.disk_usage(settings.root).free // 2**20
    text = f"{have.cpus:g} CPUs, {have.memory_mb} MiB of memory available, {free_mb} MiB of disk free"
    is_ok = free_mb >= LOW_DISK_MB
    return Finding(
        "resources", is_ok=is_ok, is_needed=False, found=text, hint="" if is_ok else "free some disk"
    )
