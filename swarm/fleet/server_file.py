"""The note that an embedded server leaves beside its data: where it listens, and as which process."""

import json
from pathlib import Path
from typing import NamedTuple

from swarm.engine.addresses import unix_url
from swarm.fleet.process_id import ProcessId

FILE_NAME = "server.json"
STOPPED_FILE = "stopped"
PASSWORD_FILE = "password"  # noqa: S105  # where it is, not what it is

STOPPED = "stopped by `swarm down`: `swarm run`, `submit`, `worker` or `supervisor` starts it"
"""What whoever is shown the socket of such a server has to know: a look has it only while it looks."""


class ServerRecord(NamedTuple):
    """One embedded server as it was started."""

    socket: str
    process: str  # a `ProcessId`
    binary: str
    log: str

    @property
    def pid(self) -> int:
        """The process's number; 0 when the note does not name one."""
        process = ProcessId.parse(self.process)
        return process.pid if process else 0

    @property
    def url(self) -> str:
        """How to connect; it holds the password, so it is for programs and not for logs."""
        return unix_url(self.socket, password=read_password(Path(self.log).parent))

    def is_running(self) -> bool:
        """That very process lives, here."""
        process = ProcessId.parse(self.process)
        return process is not None and process.is_alive()


def read_password(folder: Path) -> str:
    """The password of the server whose folder this is; empty when there is none."""
    try:
        return (folder / PASSWORD_FILE).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def read_server_file(home: Path) -> ServerRecord | None:
    """The last server started for this home, running or not; None if there is no readable note."""
    try:
        data = json.loads((home / "server" / FILE_NAME).read_text(encoding="utf-8"))
        return ServerRecord(**{name: str(data[name]) for name in ServerRecord._fields})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_server_file(home: Path, record: ServerRecord) -> None:
    """Replace the note in one step."""
    path = home / "server" / FILE_NAME
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps({**record._asdict(), "pid": record.pid}, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def running_url(home: Path) -> str | None:
    """Where this home's embedded server listens, or None when it is not running."""
    record = read_server_file(home)
    return record.url if record is not None and record.is_running() else None


def has_data(home: Path) -> bool:
    """An embedded server has stored something for this home."""
    return (home / "server" / "appendonlydir").exists()


def is_stopped(home: Path) -> bool:
    """A person has stopped the server, and nothing has been started since that needs it to stay."""
    return (home / "server" / STOPPED_FILE).exists()


def mark_stopped(home: Path, *, stopped: bool = True) -> None:
    """Note that a person wants it stopped, or that it is to stay up again."""
    path = home / "server" / STOPPED_FILE
    if stopped:
        path.touch()
    else:
        path.unlink(missing_ok=True)
