"""Every setting of swarm, where it came from, and the only reader of the environment.

Precedence: flags > `SWARM_*` > `swarm.toml` > `[tool.swarm]` in pyproject.toml > the user's config
file > default. `REDIS_URL` and `ANTHROPIC_*` are read as their own SDKs read them.

A plain dataclass instead of pydantic-settings: `swarm status` must start in under 150 ms, and that
import alone takes longer.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from swarm.checkout import find_main_worktree, find_root
from swarm.errors import ConfigError
from swarm.tables import parse_toml, settings_in

CONFIG_NAME = "swarm.toml"
HOME_NAME = ".swarm"


@dataclass(frozen=True)
class Settings:
    """The settings in force. Units end the names; `help` in the metadata is what `config show` prints."""

    root: Path = field(default=Path(), metadata={"help": "top folder of the repository"})
    home: Path = field(default=Path(HOME_NAME), metadata={"help": "where swarm keeps its state"})
    project: str = field(default="", metadata={"help": "name of the project in Redis"})
    redis_url: str = field(default="", metadata={"help": "Redis to use; empty starts an embedded one"})
    hub: str = field(
        default="",
        repr=False,  # a login may stand in it
        metadata={"help": "git server that hosts share: ssh://, https:// or a path; empty: one host"},
    )
    hub_timeout_s: float = field(
        default=300.0, metadata={"help": "how long one push or fetch may take before the hub counts as away"}
    )
    workers: int = field(default=0, metadata={"help": "local workers; 0 chooses by CPU and memory"})
    tags: str = field(
        default="", metadata={"help": "what local workers have to offer, such as gpu; comma-separated"}
    )
    isolation: str = field(default="process", metadata={"help": "process or docker"})
    image: str = field(default="swarm-worker", metadata={"help": "image that agents run in under docker"})
    memory_mb: int = field(default=4096, metadata={"help": "memory limit of one agent container, MiB"})
    cpus: float = field(default=2.0, metadata={"help": "CPU limit of one agent container"})
    pids: int = field(default=512, metadata={"help": "process limit of one agent container"})
    readable: str = field(
        default="", metadata={"help": "more of the home folder that agents may read, separated by ':'"}
    )
    writable: str = field(
        default="", metadata={"help": "more folders that agents may change, separated by ':'"}
    )
    lease_s: float = field(default=30.0, metadata={"help": "how long a claim holds without a renewal"})
    drain_s: float = field(default=120.0, metadata={"help": "how long a stopping worker may finish its task"})
    retry_base_s: float = field(default=2.0, metadata={"help": "backoff before the second attempt"})
    retry_cap_s: float = field(default=300.0, metadata={"help": "longest backoff"})
    keep_days: float = field(
        default=7.0, metadata={"help": "how long Redis keeps a run that has ended and is archived"}
    )
    keep_runs: int = field(default=100, metadata={"help": "how many such runs Redis keeps at most"})
    scope: str = field(
        default="widen",
        metadata={
            "help": "widen: what an attempt changed beyond its files is locked if free; strict: refused"
        },
    )
    review: bool = field(
        default=False,
        metadata={"help": "true: a second model reviews attempts of every task that does not say otherwise"},
    )
    train: int = field(
        default=64,
        metadata={"help": "attempts that one run of the gates judges, at most; 1 is each by itself"},
    )
    ahead: bool = field(
        default=True, metadata={"help": "judge the next train while the gates of this one run"}
    )
    max_output_kb: int = field(default=10_240, metadata={"help": "log kept of one attempt, KiB"})
    max_turns: int = field(default=50, metadata={"help": "model turns in one attempt"})
    max_attempt_tokens: int = field(default=400_000, metadata={"help": "model tokens in one attempt"})
    model_planner: str = field(default="claude-opus-5-5", metadata={"help": "model that writes plans"})
    model_worker: str = field(default="claude-sonnet-5-5", metadata={"help": "model of tier worker"})
    model_cheap: str = field(default="claude-haiku-5-5", metadata={"help": "model of tier cheap"})
    model_top: str = field(default="claude-fable-5-2", metadata={"help": "model of tier top"})
    crash: str = field(default="", metadata={"help": "crash points to arm (tests)"})
    anthropic_api_key: str = field(default="", repr=False, metadata={"help": "as the anthropic SDK reads it"})
    anthropic_auth_token: str = field(
        default="", repr=False, metadata={"help": "as the anthropic SDK reads it"}
    )
    anthropic_base_url: str = field(default="", metadata={"help": "as the anthropic SDK reads it"})
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def mirror(self) -> Path:
        """The bare repository on this host that attempts and landings live in: the hub, or a mirror of it."""
        return self.home / "repo.git"

    @property
    def runs(self) -> Path:
        """A folder a run: its plan, its reports, its archive."""
        return self.home / "runs"

    def run_folder(self, run: str) -> Path:
        """Where a run's plan and reports are kept."""
        return self.runs / run

    def flags_as_environment(self) -> dict[str, str]:
        """What was given on the command line, as the variables that a child process reads it from."""
        return {
            f"SWARM_{name.upper()}": str(getattr(self, name))
            for name, source in self.sources.items()
            if source == "flag" and name not in FOREIGN.values()
        }

    @property
    def has_model_credential(self) -> bool:
        """An Anthropic key or token is set (its value is not checked)."""
        return bool(self.anthropic_api_key or self.anthropic_auth_token)


FOREIGN = {
    "REDIS_URL": "redis_url",
    "ANTHROPIC_API_KEY": "anthropic_api_key",
    "ANTHROPIC_AUTH_TOKEN": "anthropic_auth_token",
    "ANTHROPIC_BASE_URL": "anthropic_base_url",
}
"""Variables that belong to other software, and the setting each fills."""

SECRET = frozenset({"anthropic_api_key", "anthropic_auth_token"})
"""Settings whose value is never shown, and never read from a file in the repository."""

_NOT_SETTABLE = frozenset({"root", "sources"})
_LEAST = {"train": 1, "hub_timeout_s": 1}
_CHOICES = {"isolation": ("process", "docker"), "scope": ("widen", "strict")}


def load_settings(start: Path, flags: Mapping[str, object] | None = None) -> Settings:
    """Read the settings in force for the repository around `start`.

    Args:
        start: any folder; the repository's top is the nearest parent with `.git`, else `start` itself.
        flags: values given on the command line; None values are ignored.

    Raises:
        ConfigError: a file cannot be read, a value has the wrong type, or nobody reads a name; says which.
    """
    root = find_root(start)
    layers = [
        ("user config", _read_toml(_user_config_path())),
        ("pyproject.toml", _table(_read_toml(root / "pyproject.toml"), "tool", "swarm")),
        (CONFIG_NAME, _read_toml(root / CONFIG_NAME)),
        ("environment", _from_environment(os.environ)),
        ("flag", {k: v for k, v in (flags or {}).items() if v is not None}),
    ]
    main = find_main_worktree(root)
    values: dict[str, Any] = {"root": root, "project": _default_project(main), "home": main / HOME_NAME}
    sources: dict[str, str] = {}
    known = {f.name: f for f in fields(Settings) if f.name not in _NOT_SETTABLE}
    for source, layer in layers:
        found = settings_in(layer, source, known, may_have_tables=source == CONFIG_NAME)
        for name, raw in found.items():
            values[name] = _convert(name, known[name].type, raw, source)
            sources[name] = source
    values["home"] = (root / values["home"]).absolute()
    return Settings(**values, sources=sources)


def attempt_log(home: Path, run: str, task: str, attempt: int, *, gate: bool = False) -> Path:
    """Where the worker writes what an attempt prints, or the merge queue what its gate does."""
    return home / "logs" / run / f"{quote(task, safe='')}.{attempt}{'.gate' if gate else ''}.log"


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that swarm starts for itself: ours, and `extra`."""
    return {**os.environ, **(extra or {})}


def scrubbed_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of an agent or a gate: an allow-list of harmless names, and `extra`.

    No credential is on the list, whatever the caller's environment holds.
    """
    kept = {name: os.environ[name] for name in _HARMLESS if name in os.environ}
    return {**kept, "CI": "true", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1", **(extra or {})}


def online_environment() -> dict[str, str]:
    """The environment of a program that speaks to a server as the user would: with the user's keys."""
    kept = {name: os.environ[name] for name in _CONNECTING if name in os.environ}
    return scrubbed_environment({**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"})


def has_other_model_credential() -> bool:
    """The Anthropic SDK may find a credential that is no setting of ours: a profile, or a federated login."""
    foreign = (name for name, value in os.environ.items() if name.startswith("ANTHROPIC_") and value)
    profiles = Path(os.environ.get("HOME", "/")) / ".config" / "anthropic"
    return any(name not in FOREIGN for name in foreign) or profiles.is_dir()


def user_home() -> Path | None:
    """The user's home folder, with no link on the way to it; None when there is none to speak of."""
    home = Path(os.environ.get("HOME") or "/").resolve()
    return home if home != Path("/") else None


def is_colour_refused() -> bool:
    """The NO_COLOR convention: set to anything but nothing."""
    return bool(os.environ.get("NO_COLOR"))


_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CONNECTING = (
    *("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "USER", "LOGNAME"),
    *("SSH_AUTH_SOCK", "SSH_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    *("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *_PROXIES,
    *(name.upper() for name in _PROXIES),
)

_HARMLESS = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "VIRTUAL_ENV", "SYSTEMROOT")


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    known = {f.name for f in fields(Settings)} - _NOT_SETTABLE
    ours = {
        name.removeprefix("SWARM_").lower(): value
        for name, value in environ.items()
        if name.startswith("SWARM_") and name.removeprefix("SWARM_").lower() in known
    }
    foreign = {setting: environ[name] for name, setting in FOREIGN.items() if environ.get(name)}
    return {**foreign, **ours}


def _user_config_path() -> Path:
    configured = os.environ.get("XDG_CONFIG_HOME")
    base = Path(configured) if configured else Path(os.environ.get("HOME", "/")) / ".config"
    return base / "swarm" / "config.toml"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        return parse_toml(text)
    except ValueError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _table(document: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        document = document.get(name, {})
        if not isinstance(document, dict):
            raise ConfigError(f"pyproject.toml: [{'.'.join(names)}] must be a table, got {document!r}")
    return document


def _convert(name: str, kind: object, raw: object, source: str) -> object:
    """Turn a value from a file, the environment or a flag into the field's type."""
    if name in SECRET and source in {CONFIG_NAME, "pyproject.toml"}:
        raise ConfigError(
            f"{source}: {name!r} is a secret and must not be kept in the repository",
            hint=f"set {name.upper()} in the environment instead",
        )
    value = _as_type(kind, raw)
    if value is None:
        wanted = getattr(kind, "__name__", str(kind))
        got = "something else" if name in SECRET else repr(raw)
        raise ConfigError(f"{source}: {name} must be of type {wanted}, got {got}")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ConfigError(f"{source}: {name} must be one of {', '.join(_CHOICES[name])}, got {value!r}")
    if isinstance(value, int | float) and not _LEAST.get(name, 0) <= value < math.inf:
        raise ConfigError(f"{source}: {name} must be a number from {_LEAST.get(name, 0)} up, got {raw!r}")
    if name == "project" and not _PROJECT_NAME.fullmatch(str(value)):
        raise ConfigError(
            f"{source}: project must be letters, digits, '.', '_' or '-' (at most 64), got {raw!r}"
        )
    return str(value).strip() if name == "hub" else value


def _as_type(kind: object, raw: object) -> str | int | float | Path | None:
    """The value as the field's type, or None when it is not one: text of a number is, true is not."""
    if kind is bool:
        return {"true": True, "false": False}.get(str(raw).lower())
    if isinstance(raw, bool) or (kind is int and isinstance(raw, float)):
        return None
    if kind is str:
        return raw if isinstance(raw, str) else None
    try:
        if kind is Path:
            return Path(str(raw)) if isinstance(raw, str | Path) else None
        return int(str(raw)) if kind is int else float(str(raw))
    except ValueError:
        return None


_PROJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _default_project(root: Path) -> str:
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", root.name).strip("-._") or "project")[:64]
