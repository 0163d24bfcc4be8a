"""What `swarm doctor` looks at: is everything here that a run needs, and what to do if not."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from swarm.base_check import gates_on
from swarm.engine.connect import engine_for
from swarm.errors import HubRefusedError, SwarmError, UnreachableError
from swarm.fleet.docker_engine import check_docker
from swarm.fleet.launch import open_launcher
from swarm.fleet.resources import available
from swarm.fleet.server import Server
from swarm.fleet.server_file import STOPPED, is_stopped
from swarm.fleet.stopped import server_for_a_look
from swarm.repo.gates.definitions import load_gates
from swarm.repo.git.command import OLDEST_GIT, git_version
from swarm.repo.hub.opening import open_hub
from swarm.repo.hub.user_repository import commit_of, refuse_sha256
from swarm.repo.workspaces.template import why_copied
from swarm.sandbox.landlock import describe_landlock
from swarm.settings import Settings

LOW_DISK_MB = 1024
_INSIDE = ("redis", "hub", "workspaces", "gates")


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, what was found, and the next step."""

    name: str
    is_ok: bool
    is_needed: bool  # a run cannot go without it
    found: str
    hint: str = ""
    code: str = ""  # of the error that it ended with
    exit_code: int = UnreachableError.exit_code

    def line(self) -> str:
        """One line for a terminal."""
        mark = "ok  " if self.is_ok else "FAIL" if self.is_needed else "note"
        code = f"{self.code}: " if self.code else ""
        return f"{mark}  {self.name:<11} {code}{self.found}" + (f"  -> {self.hint}" if self.hint else "")

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class _Seen:
    """What one check saw; its name and whether a run needs it stand in the list of checks."""

    found: str
    is_ok: bool = True
    hint: str = ""
    error: SwarmError | None = None


def examine(settings: Settings) -> list[Finding]:
    """Run every check, the gates of HEAD among them; none raises, or leaves more than a started Redis."""
    checks: tuple[tuple[str, bool, Callable[[Settings], _Seen]], ...] = (
        ("git", True, _git),
        ("repository", True, _repository),
        ("redis", True, _redis),
        ("hub", bool(settings.hub), _hub),
        ("workspaces", False, _workspaces),
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
        if name == "gates" and _is_host_of_workers(settings):
            continue
        seen = _guarded(check, settings)
        finding = Finding(name, seen.is_ok, needed, seen.found, seen.hint)
        if seen.error is not None:
            finding = replace(finding, code=seen.error.code, exit_code=seen.error.exit_code)
        findings.append(finding)
    return findings


def exit_code_of(findings: Sequence[Finding]) -> int:
    """0 when nothing that is needed fails, 4 when all that fails does not let us in, else 3."""
    failed = {finding.exit_code for finding in findings if finding.is_needed and not finding.is_ok}
    if not failed:
        return 0
    refused = HubRefusedError.exit_code
    return refused if failed == {refused} else UnreachableError.exit_code


def _guarded(check: Callable[[Settings], _Seen], settings: Settings) -> _Seen:
    try:
        return check(settings)
    except SwarmError as error:
        return _Seen(error.message, is_ok=False, hint=error.hint, error=error)


def _git(_settings: Settings) -> _Seen:
    needed = ".".join(map(str, OLDEST_GIT))
    if shutil.which("git") is None:
        return _Seen("not on PATH", is_ok=False, hint=f"install git {needed} or newer")
    version = git_version()
    found = f"git version {'.'.join(map(str, version))}"
    if version < OLDEST_GIT:
        return _Seen(found, is_ok=False, hint=f"git {needed} or newer is needed")
    return _Seen(found)


def _is_host_of_workers(settings: Settings) -> bool:
    """It is told all that workers and supervisors need, and has no repository; see docs/hosts.md."""
    is_told = bool(settings.hub and settings.redis_url and "project" in settings.sources)
    return is_told and not (settings.root / ".git").exists()


def _repository(settings: Settings) -> _Seen:
    if _is_host_of_workers(settings):
        return _Seen(f"none here: only to work and to merge, project {settings.project!r}")
    commit = commit_of(settings.root)
    refuse_sha256(settings.root, commit)
    return _Seen(f"{settings.root} at {commit[:12]}, project {settings.project!r}")


def _redis(settings: Settings) -> _Seen:
    with server_for_a_look(settings) as server:
        engine = engine_for(settings, server.url)
        warnings = engine.check_server()
        engine.close()
    return _Seen(_where(server, settings), hint="; ".join(warnings))


def _where(server: Server, settings: Settings) -> str:
    if not server.is_embedded:
        return "REDIS_URL answers"
    place = f"{STOPPED}, then at {server.socket}" if is_stopped(settings.home) else server.socket
    return f"embedded, {server.binary}, {place}"


def _hub(settings: Settings) -> _Seen:
    """Whether the git server that hosts share can be asked, and pushed to."""
    remote = open_hub(settings).remote
    if remote is None:
        return _Seen("on this host alone")
    remote.check()
    return _Seen(f"{remote} answers, and has taken a push")


def _workspaces(settings: Settings) -> _Seen:
    """Which way checkouts are made here; a copy is no fault, and takes longer."""
    if settings.isolation == "docker":
        return _Seen("copies of a template: containers may not see what is mounted here")
    why = why_copied(open_hub(settings))
    return _Seen(f"copies of a template, not overlays: {why}" if why else "overlays of a template")


def _gates(settings: Settings) -> _Seen:
    hub = open_hub(settings)
    commit = hub.import_base(settings.root)
    names = ", ".join(gate.name for gate in load_gates(hub, commit))
    if not names:
        found = f"none in swarm.toml at {commit[:12]}: only acceptance commands judge"
        return _Seen(found, is_ok=False, hint="`swarm init` writes one; commit it")
    log = settings.home / "logs" / "doctor.gate.log"
    red = gates_on(settings, commit, open_launcher(settings), log=log).failure
    if red is None:
        return _Seen(f"{names}: green on {commit[:12]}")
    found = f"red on {commit[:12]} before any work: {red}"
    hint = f"no task can land until one makes it green; its output is in {log}"
    return _Seen(found, is_ok=False, hint=hint)


def _model(settings: Settings) -> _Seen:
    if settings.has_model_credential:
        return _Seen(f"a credential is set; planner {settings.model_planner}")
    found = "no credential: `swarm plan` and executor `messages` cannot run"
    return _Seen(found, is_ok=False, hint="set ANTHROPIC_API_KEY")


def _docker(settings: Settings) -> _Seen:
    return _Seen(check_docker(settings.image))


def _confinement(settings: Settings) -> _Seen:
    """How far the commands of agents and gates are kept from the rest of this machine."""
    if settings.isolation == "docker":
        return _Seen("each agent has a container of its own")
    is_ok, how = describe_landlock()
    hint = "" if is_ok else "agents can read and change what you can: use `--isolation docker`"
    return _Seen(f"agents are {how}", is_ok=is_ok, hint=hint)


def _resources(settings: Settings) -> _Seen:
    have = available()
    free_mb = shutil.disk_usage(settings.root).free // 2**20
    found = f"{have.cpus:g} CPUs, {have.memory_mb} MiB of memory available, {free_mb} MiB of disk free"
    is_ok = free_mb >= LOW_DISK_MB
    return _Seen(found, is_ok=is_ok, hint="" if is_ok else "free some disk")
