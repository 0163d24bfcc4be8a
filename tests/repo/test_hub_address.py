"""The address of a git server: what git is told of it, and what nobody is shown."""

import base64
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from swarm.errors import ConfigError, HubUnreachableError
from swarm.repo.hub.address import masked, parse_address
from swarm.repo.hub.making import make_hub
from swarm.repo.hub.opening import open_hub
from swarm.repo.hub.remote import Remote
from swarm.repo.hub.user_repository import ssh_command_of
from swarm.settings import Settings
from swarm.testing.repository import UserRepository

WORD = "s3cret: of/the@hub"
ENCODED = "s3cret%3A%20of%2Fthe%40hub"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """The git folder of a host's hub."""
    path = tmp_path / "mirror" / "repo.git"
    make_hub(path)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with a credential helper, which keeps what it is told."""
    home = tmp_path / "home"
    home.mkdir()
    answer = "test $1 = get && echo username=mine && echo password=theirs"
    helper = f"!f() {{ echo $1 >>{home}/asked; cat >>{home}/asked; {answer}; }}; f"
    (home / ".gitconfig").write_text(f'[credential]\n\thelper = "{helper}"\n')
    monkeypatch.setenv("HOME", str(home))
    return home


class _Doorkeeper(BaseHTTPRequestHandler):
    """Lets nobody in who has not given a login, and notes every command line there is meanwhile."""

    def __init__(self, seen: list[str], *arguments: object) -> None:
        self._seen = seen
        super().__init__(*arguments)  # type: ignore[arg-type]  # as the server calls it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parent's name for it
        """Say nothing."""

    def do_GET(self) -> None:
        """Ask for a login; then there is nothing here."""
        self._seen.extend(_command_lines())
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        login = base64.b64decode(given).decode()
        has_password = login.rpartition(":")[2] != ""  # curl tries the name alone first
        self.send_response(404 if has_password else 401)
        if has_password:
            self._seen.append(f"login {login}")
        else:
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.end_headers()


def _command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:  # it has ended
            continue
    return [line for line in found if "git" in line]


@contextmanager
def doorkeeper() -> Iterator[tuple[str, list[str]]]:
    """Its host and port, and what it has seen."""
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Doorkeeper, seen))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


def asked(address: str, mirror: Path) -> str:
    """What is said when there is nothing at that address."""
    with pytest.raises(HubUnreachableError) as away:
        Remote(address, mirror).list()
    return str(away.value)


def test_a_password_reaches_the_server_and_no_command_line(mirror: Path, home: Path) -> None:
    """Not of git's own children either, which are told the address; no helper of the user's keeps it."""
    with doorkeeper() as (place, seen):
        said = asked(f"http://me:{ENCODED}@{place}/x.git", mirror)

    logins = {line for line in seen if line.startswith("login ")}
    lines = "\n".join(line for line in seen if line not in logins)
    assert logins == {f"login me:{WORD}"}
    assert f"http://{place}/x.git" in lines  # of git-remote-http: it was looked at
    assert "s3cret" not in lines + said
    assert not (home / "asked").exists()


def test_a_helper_of_the_users_is_asked_where_the_address_has_no_password(mirror: Path, home: Path) -> None:
    """For the name that the address has, if it has one."""
    with doorkeeper() as (place, seen):
        asked(f"http://{place}/x.git", mirror)
        asked(f"http://her@{place}/x.git", mirror)

    assert "login mine:theirs" in seen
    assert "username=her" in (home / "asked").read_text()


@pytest.mark.parametrize(
    "address",
    [
        "ssh://me:hunter2@host/x",
        "SSH://me:hunter2@host/x",
        "git+ssh://me:hunter2@host/x",
        "ssh://me:hunter2@host:22/x",
    ],
)
def test_ssh_takes_no_password_in_an_address(address: str) -> None:
    """Its command line would show it, and nobody would ask for it."""
    with pytest.raises(ConfigError, match="ssh takes none") as refused:
        parse_address(address)

    assert "hunter2" not in str(refused.value) + refused.value.help
    assert refused.value.code == "SW002"


@pytest.mark.parametrize(
    ("address", "url", "password"),
    [
        (" HTTPS://me:word@h/x ", "https://h/x", "word"),
        ("https://me:p%40ss@h:8443/x", "https://h:8443/x", "p@ss"),
        ("https://me:p@ss@h/x", "https://h/x", "p@ss"),
        ("https://token:@h/x", "https://token:@h/x", ""),
        ("https://h/@team/x.git", "https://h/@team/x.git", ""),
        ("Ssh://git@h/x", "ssh://git@h/x", ""),
    ],
)
def test_what_git_is_told(address: str, url: str, password: str) -> None:
    """The scheme as git knows it, and no password."""
    parsed = parse_address(address)

    assert (parsed.url, parsed.password) == (url, password)
    assert "word" not in repr(parsed)


@pytest.mark.parametrize(
    "address",
    [
        "HTTPS://u:hunter2@host/x",
        "ftp://u:hunter2@host/x",
        "foo://u:hunter2@host/x",
        "  https://u:hunter2@host/x",
        "\thttps://u:hunter2@host/x\n",
        "https://u:a@hunter2@host/x",
        "https://u:hunter2@a@host/x",
        "https://u:a/hunter2@host/x",
        "https://u:hunter2/a@host/x",
        "https://u:hunter2#a@host/x",
        "https://u:1#hunter2@host/x",
        "https://u:1/hunter2?x@host/x",
        "https://u:hunter2?a@host/x",
        "https://hunter2@host/x",
        "https://hunter2:x-oauth-basic@host/x",
        "https://[u:hunter2@host/x",
        "https:/u:hunter2@host/x",
        "u:hunter2@host:x",
        "ext::u:hunter2@host",
        "-ou:hunter2@host",
    ],
)
def test_whatever_may_be_a_login_is_masked(address: str) -> None:
    """Where it is shown, and where it is refused; what follows the login stays to be recognised by."""
    try:
        shown = [parse_address(address).shown]
    except ConfigError as refused:
        shown = [refused.message, refused.help]

    assert "hunter" not in "".join([*shown, masked(address)])
    assert "host" in shown[0]
    assert "***" in shown[0]


@pytest.mark.parametrize(
    "address", ["git@host:x/y.git", "/srv/a@b:c/@d", "./a:b@c", "https://h:1/x", "file:///a"]
)
def test_an_address_without_a_login_is_shown_as_it_is(address: str) -> None:
    """The user of ssh's short form is no secret."""
    assert masked(address) == address


def test_what_git_says_of_a_login_is_masked(mirror: Path) -> None:
    """A token in the place of a name, for one, of which git says that it has no password."""
    with doorkeeper() as (place, _seen):
        said = asked(f"http://t0ken-of-mine@{place}/x.git", mirror)

    assert "could not read Password" in said
    assert "t0ken" not in said
    assert f"http://***@{place}" in said


@pytest.mark.parametrize(
    "there",
    [
        ("own", "users"),
        ("users",),
        ("GIT_SSH_COMMAND", "own", "users"),
        ("own", "GIT_SSH"),
        ("GIT_SSH",),
    ],
    ids=" ".join,
)
def test_ssh_is_what_git_would_ask_from_the_users_repository(
    there: tuple[str, ...], user: UserRepository, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's, the repository's, the user's: as a push from there would have it."""
    for name in there:
        ssh = home / name
        ssh.write_text('#!/bin/sh\necho "asked $(basename $0)" >&2\nexit 255\n')
        ssh.chmod(0o755)
        if name.startswith("GIT_"):
            monkeypatch.setenv(name, str(ssh))
    if "own" in there:
        user.git("config", "core.sshCommand", str(home / "own"))
    (home / ".gitconfig").write_text(f"[core]\n\tsshCommand = {home}/users\n" if "users" in there else "")
    hub = open_hub(Settings(root=user.path, home=user.path / ".swarm", hub="ssh://git@host/x.git"))

    with pytest.raises(HubUnreachableError, match=rf": asked {there[0]}\b"):
        hub.identity()


def test_a_repository_of_somebody_else_runs_nothing_as_us(user: UserRepository, home: Path) -> None:
    """Its configuration may be anybody's; so may that of one around an empty folder."""
    (user.path / "inside").mkdir()
    user.git("config", "core.sshCommand", "theirs")
    before = ssh_command_of(user.path), ssh_command_of(user.path / "inside")
    if os.getuid() == 0:
        for path in (user.path, user.path / ".git"):
            os.chown(path, 12345, 12345)
        assert ssh_command_of(user.path) == ""
        (home / ".gitconfig").write_text("[core]\n\tsshCommand = mine\n")
        assert ssh_command_of(user.path) == "mine"

    assert before == ("theirs", "")
