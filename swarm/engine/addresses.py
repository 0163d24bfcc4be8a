"""What a Redis URL means: one server, or many of which one serves us now."""

import os
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, unquote_to_bytes, urlencode, urlsplit

from swarm.errors import ConfigError

FORMS = (
    "redis://[user:password@]host[:port][/db]",
    "unix:///path[?db=n]",
    "redis+sentinel://[user:password@]host:port,host:port/service[/db]",
    "redis+cluster://[user:password@]host:port,host:port",
    "and with rediss for TLS",
)
"""Every form of URL, for people."""

OPTIONS_HINT = "check the hosts in it, and the names and values after its `?`"
"""For what redis-py makes of the options of a URL: it takes them as they are."""

PLAIN = frozenset({"redis", "rediss", "unix"})
MANY = frozenset({"redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"})

SENTINEL_PORT, REDIS_PORT, LAST_PORT = 26379, 6379, 65535
_OF_ONE_SERVER = frozenset({"db", "password"})
_OF_SENTINELS = ("sentinel_username", "sentinel_password")


class Address(NamedTuple):
    """A URL that names several servers."""

    kind: str  # sentinel or cluster
    scheme: str  # redis or rediss: how each server is spoken to
    hosts: tuple[tuple[str, int], ...]
    login: str  # as it stands in the URL: `user:password`, or empty
    service: str = ""  # the master's name, as the sentinels know it
    database: int = 0
    options: tuple[tuple[str, str], ...] = ()  # the query, for redis-py

    def url_of(self, host: str, port: int) -> str:
        """The plain URL of one of the servers."""
        shown = f"[{host}]" if ":" in host else host
        query = urlencode([(name, value) for name, value in self.options if name not in _OF_SENTINELS])
        at = f"{self.login}@" if self.login else ""
        return f"{self.scheme}://{at}{shown}:{port}/{self.database}" + (f"?{query}" if query else "")

    @property
    def sentinel_login(self) -> dict[str, str]:
        """How the sentinels themselves are spoken to."""
        given = dict(self.options)
        return {name.removeprefix("sentinel_"): given[name] for name in _OF_SENTINELS if given.get(name)}


def unix_url(socket: str | os.PathLike[str], *, password: str = "") -> str:
    """The URL of the server that listens on this socket; a path may hold whatever a file's name may."""
    login = f":{quote(password, safe='')}@" if password else ""
    return f"unix://{login}{quote(os.fsencode(socket))}"


def socket_of(url: str) -> str:
    """The path of the socket that a `unix://` URL names."""
    return os.fsdecode(unquote_to_bytes(os.fsencode(split_url(url).path)))


def split_url(url: str) -> SplitResult:
    """The parts of a Redis URL, as they stand there.

    Raises:
        ConfigError: it cannot be parted; names all forms.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # its own text would show the password
        raise wrong(url, "it is not a URL") from None
    if "#" in url:
        raise wrong(url, "a '#' must be written %23")
    return parts


def scheme_of(url: str) -> str:
    """The scheme of a Redis URL.

    Raises:
        ConfigError: it is none that we know, or a socket's path is missing; names all forms.
    """
    parts = split_url(url)
    if parts.scheme not in PLAIN | MANY:
        raise wrong(url, f"scheme {parts.scheme!r} is not known" if parts.scheme else "it is not a URL")
    if parts.scheme == "unix" and not parts.path.strip("/"):
        raise wrong(url, "a path is missing")
    return parts.scheme


def refuse_unknown_options(url: str) -> None:
    """See to it that a URL of one server asks for nothing that our own connection would not do.

    Raises:
        ConfigError: an option after its `?` is not known; names those that are.
    """
    options = parse_qsl(split_url(url).query, keep_blank_values=True)
    if unknown := next((name for name, _ in options if name not in _OF_ONE_SERVER), None):
        # What is no name may be the rest of a password that was not escaped.
        shown = f"option {unknown!r}" if unknown.isidentifier() and "@" not in url else "what follows its '?'"
        raise wrong(url, f"{shown} is not known (`db` and `password` are)")


def parse_address(url: str) -> Address:
    """Read a URL of sentinels or of a cluster.

    Raises:
        ConfigError: it is malformed; says how, and names all forms.
    """
    parts = split_url(url)
    scheme, _, kind = parts.scheme.partition("+")
    login, _, listed = parts.netloc.rpartition("@")
    default = SENTINEL_PORT if kind == "sentinel" else REDIS_PORT
    hosts = tuple(_host(url, text, default) for text in listed.split(","))
    names = [unquote(name) for name in parts.path.strip("/").split("/") if name]
    # A `+` is itself, as in the login; `parse_qsl` alone takes it for a space.
    options = tuple(parse_qsl(parts.query.replace("+", "%2B")))
    if kind == "cluster":
        if names and names != ["0"]:
            raise wrong(url, "a cluster has one database")
        return Address(kind, scheme, hosts, login, options=options)
    if not names:
        raise wrong(url, "it names no service: what the sentinels call the master, such as /mymaster")
    service, *database = names
    if len(database) > 1 or not all(map(is_number, database)):
        raise wrong(url, f"database {'/'.join(database)!r} is not a number")
    return Address(kind, scheme, hosts, login, service, int(database[0]) if database else 0, options)


def _host(url: str, text: str, default: int) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    if not host:
        raise wrong(url, "a host is missing")
    if port and not (is_number(port) and 0 < int(port) <= LAST_PORT):
        raise wrong(url, f"{port!r} is no port")
    return host, int(port or default)


def is_number(text: str) -> bool:
    """These are the digits of a whole number, as a machine writes them."""
    return text.isascii() and text.isdecimal()


def wrong(url: str, what: str) -> ConfigError:
    """The error for a URL that cannot be used: what is wrong, and how one looks."""
    return ConfigError(f"redis_url: {what} in {without_secret(url)!r}", hint=f"the forms: {'; '.join(FORMS)}")


def without_secret(url: str) -> str:
    """A URL as it may be shown: without login and query."""
    # By hand: it may be one that cannot be parted, with a password that holds what ends a login.
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    main, _, query = rest.partition("?")
    login, at, _ = (main.partition("/")[0] if scheme == "unix" else main).rpartition("@")
    shown = main[len(login + at) :]
    is_secret = "@" in query or ("@" in shown and not shown.startswith("/"))
    return f"{scheme}{mark}{'…' if is_secret else shown}"


def server_of(url: str) -> str:
    """Where a plain URL leads, for people: host and port, or the socket's path."""
    parts = split_url(url)
    if parts.scheme == "unix":
        return socket_of(url)
    return f"{parts.hostname or '127.0.0.1'}:{parts.port or REDIS_PORT}"
