"""The note that an embedded server leaves beside its data: where it listens, and as which process."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "server.json"


@dataclass(frozen=True)
class ServerRecord:
    """One embedded server as it was started."""

    url: str
    pid: int
    binary: str
    log: str

    def is_running(self) -> bool:
        """A process of this id lives, and it is the server (ids are used again)."""
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return not Path("/proc/self").exists() and _is_alive(self.pid)
        # The server rewrites its own command line to `redis-server unixsocket:...`.
        return state != "Z" and (b"redis" in command or b"valkey" in command)


def read_server_file(home: Path) -> ServerRecord | None:
    """The last server started for this home, running or not; None if there is no readable note."""
    try:
        data = json.loads((home / "server" / FILE_NAME).read_text(encoding="utf-8"))
        return ServerRecord(
            url=str(data["url"]), pid=int(data["pid"]), binary=str(data["binary"]), log=str(data["log"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_server_file(home: Path, record: ServerRecord) -> None:
    """Replace the note in one step."""
    path = home / "server" / FILE_NAME
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def running_url(home: Path) -> str | None:
    """Where this home's embedded server listens, or None when it is not running."""
    record = read_server_file(home)
    return record.url if record is not None and record.is_running() else None


def has_data(home: Path) -> bool:
    """An embedded server has stored something for this home."""
    return (home / "server" / "appendonlydir").exists()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
