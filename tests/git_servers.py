"""Real git servers on this machine: a folder, sshd, and git's own HTTP backend behind TLS and a password."""

import base64
import contextlib
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import trustme

PASSWORD = "s3cret-of-the-hub"
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class GitServer:
    """One shared repository, and how its users reach it."""

    repository: Path
    address: str
    environment: Mapping[str, str] = field(default_factory=dict)


def make_shared(folder: Path) -> Path:
    """A bare repository that anybody who is let in may push to."""
    path = folder / "shared.git"
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    subprocess.run(["git", "-C", str(path), "config", "http.receivepack", "true"], check=True)
    return path


def hooked(server: Path, name: str, script: str) -> None:
    """Let a server run a script."""
    hook = server / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


@contextlib.contextmanager
def declining(server: Path, hook: str = "pre-receive", words: str = "not now") -> Iterator[None]:
    """Let a server decline every push with these words, for as long as the block runs."""
    hooked(server, hook, f"echo '{words}' >&2; exit 1")
    yield
    (server / "hooks" / hook).unlink()


@contextlib.contextmanager
def by_path(folder: Path) -> Iterator[GitServer]:
    """No server at all: a file system that hosts share."""
    shared = make_shared(folder)
    yield GitServer(shared, str(shared))


@contextlib.contextmanager
def by_ssh(folder: Path) -> Iterator[GitServer]:
    """Sshd on a free port, which knows one key."""
    shared = make_shared(folder)
    for name in ("host", "user"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(argv, check=True)
    port = _free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"StrictModes no\nUsePAM {'yes' if _is_locked() else 'no'}\nPidFile none\n"
        "PermitRootLogin prohibit-password\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    options = f"-i {folder}/user -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile={folder}/known"
    ssh = f"ssh {options} -o StrictHostKeyChecking=accept-new"
    with subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            address = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{shared}"
            yield GitServer(shared, address, {"GIT_SSH_COMMAND": ssh})
        finally:
            server.kill()


@contextlib.contextmanager
def by_https(folder: Path) -> Iterator[GitServer]:
    """`git http-backend` behind TLS, by a certificate that only its users know, and a password."""
    shared = make_shared(folder)
    authority = trustme.CA()
    certificate = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Backend, folder))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"https://me:{PASSWORD}@127.0.0.1:{server.server_port}/{shared.name}"
        yield GitServer(shared, address, {"GIT_SSL_CAINFO": str(certificate)})
    finally:
        server.shutdown()
        server.server_close()


SERVERS: Mapping[str, Callable[[Path], AbstractContextManager[GitServer]]] = {
    "path": by_path,
    "ssh": by_ssh,
    "https": by_https,
}


class _Backend(BaseHTTPRequestHandler):
    """What a web server does for `git http-backend`."""

    protocol_version = "HTTP/1.1"

    def __init__(self, root: Path, *arguments: object) -> None:
        self._root = root
        super().__init__(*arguments)  # type: ignore[arg-type]  # as the server calls it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parent's name for it
        """Say nothing."""

    def do_GET(self) -> None:
        """Ask for refs."""
        self._serve(b"")

    def do_POST(self) -> None:
        """Fetch or push."""
        self._serve(self._body())

    def _serve(self, body: bytes) -> None:
        wanted = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
            return
        asked = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": asked.path,
            "QUERY_STRING": asked.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "me",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self._answer(int(headers.pop("Status", "200").split()[0]), headers, content)

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


def _is_locked() -> bool:
    """Root has no password, and sshd lets nobody in then, key or not, unless PAM says otherwise."""
    if os.geteuid() != 0:
        return False
    lines = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    return any(line.startswith(f"{getpass.getuser()}:!") for line in lines)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline_s, "the server does not listen"
            time.sleep(0.05)
        else:
            return
