"""What a Redis URL means: one server, or many of which one serves us now."""

from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from swarm.errors import ConfigError

FORMS = (
    "redis://[user:password@]host[:port][/db]",
    "unix:///path[?db=n]",
    "redis+sentinel://[user:password@]host:port,host:port/service[/db]",
    "redis+cluster://[user:password@]host:port,host:port",
    "and with rediss for TLS",
)
"""Every form of URL, for people."""

PLAIN = frozenset({"redis", "rediss", "unix"})
MANY = frozenset({"redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"})

SENTINEL_PORT, REDIS_PORT, LAST_PORT = 26379, 6379, 65535
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


def scheme_of(url: str) -> str:
    """The scheme of a Redis URL.

    Raises:
        ConfigError: it is none that we know; names all forms.
    """
    scheme = urlsplit(url).scheme
    if scheme not in PLAIN | MANY:
        raise _wrong(url, f"scheme {scheme!r} is not known" if scheme else "it is not a URL")
    return scheme


def parse_address(url: str) -> Address:
    """Read a URL of sentinels or of a cluster.

    Raises:
        ConfigError: it is malformed; says how, and names all forms.
    """
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    login, _, listed = parts.netloc.rpartition("@")
    default = SENTINEL_PORT if kind == "sentinel" else REDIS_PORT
    hosts = tuple(_host(url, text, default) for text in listed.split(","))
    names = [unquote(name) for name in parts.path.strip("/").split("/") if name]
    options = tuple(parse_qsl(parts.query))
    if kind == "cluster":
        if names and names != ["0"]:
            raise _wrong(url, "a cluster has one database")
        return Address(kind, scheme, hosts, login, options=options)
    if not names:
        raise _wrong(url, "it names no service: what the sentinels call the master, such as /mymaster")
    service, *database = names
    if len(database) > 1 or not all(number.isdecimal() for number in database):
        raise _wrong(url, f"database {'/'.join(database)!r} is not a number")
    return Address(kind, scheme, hosts, login, service, int(database[0]) if database else 0, options)


def _host(url: str, text: str, default: int) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    if not host:
        raise _wrong(url, "a host is missing")
    if port and not (port.isdecimal() and 0 < int(port) <= LAST_PORT):
        raise _wrong(url, f"{port!r} is no port")
    return host, int(port or default)


def _wrong(url: str, what: str) -> ConfigError:
    return ConfigError(f"redis_url: {what} in {without_secret(url)!r}", hint=f"the forms: {'; '.join(FORMS)}")


def without_secret(url: str) -> str:
    """A URL as it may be shown."""
    parts = urlsplit(url)
    if not parts.scheme:
        return url.rpartition("@")[2]
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def server_of(url: str) -> str:
    """Where a plain URL leads, for people: host and port, or the socket's path."""
    parts = urlsplit(url)
    return (
        parts.path
        if parts.scheme == "unix"
        else f"{parts.hostname or '127.0.0.1'}:{parts.port or REDIS_PORT}"
    )
