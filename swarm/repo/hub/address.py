"""The address of a git server: what git is told of it, and what nobody is shown.

git hands an address to its helpers on their command lines, which every process of a machine can read. So
a password is taken out of it, and git asks for it when the server does: by a credential helper of ours.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from swarm.errors import ConfigError

FORMS = "ssh://host/path, user@host:path, https://host/path, or the path of a bare repository"
_SSH, _HTTP = frozenset({"ssh", "git+ssh"}), frozenset({"https", "http"})
_SCHEMES = _SSH | _HTTP | {"file"}

_PROGRAM = re.compile(r"\w+::")
"""`ext::` and the like: git would run a program of that name."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LOGINS = re.compile(r"""\b([a-z][\w+.-]*://)[^\s'"]*@""", re.IGNORECASE)

_LOGIN_FD = "SWARM_HUB_LOGIN_FD"
_HELPER = f"""!f() {{ test "$1" = get && cat "/dev/fd/${_LOGIN_FD}"; }}; f"""


@dataclass(frozen=True)
class Address:
    """Where a git server is."""

    url: str  # as git is told it: without a password
    shown: str
    user: str = ""
    password: str = field(default="", repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)  # what of it could be quoted by somebody

    def settings(self) -> dict[str, str]:
        """Settings of git's by which it asks our helper, and no other, for the password; none without one."""
        if not self.password:
            return {}
        parts = urlsplit(self.url)
        # A helper of the user's may be for all of the server, or for this repository: the longer one counts.
        places = (f"{parts.scheme}://{parts.netloc}", self.url)
        return {f"credential.{place}.helper": _HELPER for place in places}

    @contextlib.contextmanager
    def lend_login(self) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
        """Hold what the helper reads open for one git: the variables and descriptors that this git is given.

        A pipe, not a variable: a confined agent of root reads the environment of others since Linux 6.16.
        """
        if not self.password:
            yield {}, ()
            return
        login_fd, to_login = os.pipe()
        try:
            with os.fdopen(to_login, "wb") as pipe:
                pipe.write(f"username={self.user}\npassword={self.password}\n".encode())
            yield {_LOGIN_FD: str(login_fd)}, (login_fd,)
        finally:
            os.close(login_fd)

    def mask(self, text: str) -> str:
        """What somebody else said, without what is hidden."""
        for secret in sorted(self.hidden, key=len, reverse=True):
            text = text.replace(secret, "***")
        return _LOGINS.sub(r"\1***@", text)


def masked(address: str) -> str:
    """An address, or what was meant to be one, as it may be shown: `***` for all that may be a login."""
    head, at, place = address.strip().rpartition("@")
    scheme, mark, _ = head.partition("://")
    if mark:
        return f"{scheme}{mark}***@{place}"
    # `user@host:path` has none; a password there would be before the `@`.
    return f"***@{place}" if ":" in head and not head.startswith(("/", ".")) else f"{head}{at}{place}"


def parse_address(text: str) -> Address:
    """Read an address in one of the `FORMS`.

    Raises:
        ConfigError: it has none of them, or a password where there can be none; does not show that.
    """
    text = text.strip()
    scheme, mark, rest = text.partition("://")
    scheme = scheme.lower()
    if text.startswith("-") or _PROGRAM.match(text) or _CONTROL.search(text):
        raise _wrong(text)
    if not mark:
        return Address(text, masked(text))
    if scheme not in _SCHEMES:
        raise _wrong(text)
    url = f"{scheme}://{rest}"
    return Address(url, masked(text)) if scheme == "file" else _with_host(url, text)


def _with_host(url: str, text: str) -> Address:
    parts = _split(url, text)
    login = parts.netloc.rpartition("@")[0]
    user, _, password = login.partition(":")
    if not password:
        return Address(url, masked(text))
    if parts.scheme in _SSH:
        raise ConfigError(
            f"hub: {masked(text)!r} has a password in it, and ssh takes none",
            hint="let a key work without a question: in the ssh agent, or a file without passphrase",
        )
    if _CONTROL.search(unquote(login)):
        raise _wrong(text)
    return Address(
        url=url.replace(f"{login}@", "", 1),
        shown=masked(text),
        user=unquote(user),
        password=unquote(password),
        hidden=(password, unquote(password)),
    )


def _split(url: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        has_port = parts.port is not None
    except ValueError:  # its own text would show the password
        raise _wrong(text) from None
    # Whatever ends a login early makes a host and a port of a user and a password.
    if not parts.hostname or (has_port and "@" not in parts.netloc and "@" in url):
        raise _wrong(text)
    return parts


def _wrong(text: str) -> ConfigError:
    escape = "; in a login, '@', '/', '?', '#' and '%' are written %40, %2F, %3F, %23 and %25"
    head, at, place = text.rpartition("@")
    shown = masked(text) if "://" in head else f"***{at}{place}" if at else text
    return ConfigError(
        f"hub: {shown!r} is no address of a git server", hint=f"the forms: {FORMS}{escape if at else ''}"
    )
