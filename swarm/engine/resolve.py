"""Which of many servers serves us now: asked of the sentinels, or of the cluster, through redis-py."""

# mypy: disable-error-code="no-untyped-call, arg-type"
# redis-py's cluster and URL parser are untyped, and its options come as one dictionary.
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from swarm.engine.addresses import OPTIONS_HINT, Address
from swarm.errors import AuthenticationError, ConfigError, StoreUnreachableError, SwarmError

ASK_TIMEOUT_S = 1.0
"""One that is dead must not keep us from asking the next."""
_NO_CLUSTER = "cluster support disabled"
"""What such a server says; redis-py takes every refusal for it."""
_LOGIN = ("username", "password")


@dataclass(frozen=True)
class Nodes:
    """Plain URLs: of the server to use, and of every one that takes writes."""

    own: str
    masters: tuple[str, ...]


@dataclass
class Resolver:
    """Asks anew each time; remembers every server that it was told of."""

    address: Address
    _known: dict[tuple[str, int], None] = field(default_factory=dict)

    def find(self, key: str) -> Nodes:
        """The master that serves `key` (any, when it is empty).

        Raises:
            StoreUnreachableError: nobody knows of one, or nobody answers.
            AuthenticationError: those asked refused us.
            ConfigError: who answers is no node of a cluster.
        """
        try:
            return self._by_sentinel() if self.address.kind == "sentinel" else self._by_cluster(key)
        except (redis.RedisError, RedisClusterException, OSError) as error:
            raise self._told(error) from error
        except (TypeError, ValueError) as error:
            raise ConfigError(f"redis_url: {error}", hint=OPTIONS_HINT) from error

    def _told(self, error: Exception) -> SwarmError:
        """What redis-py met, in words of ours: it lists its own objects, and names one node of many."""
        causes = list(_causes(error))
        asked = ", ".join(f"{host}:{port}" for host, port in self._hosts())
        refused = next((one for one in causes if isinstance(one, redis.AuthenticationError)), None)
        if refused:
            return AuthenticationError(
                f"Redis refused us: {refused}", hint="check the password in `redis_url`"
            )
        if any(_NO_CLUSTER in str(one) for one in causes):
            host, port = self._hosts()[0]
            return ConfigError(
                f"redis_url: the server at {asked} is no node of a cluster",
                hint=f"give one server by itself: {self.address.scheme}://{host}:{port}",
            )
        if said := next((one for one in causes if isinstance(one, redis.ResponseError)), None):
            return ConfigError(f"redis_url: refused by a server at {asked}: {said}", hint=OPTIONS_HINT)
        if self.address.kind == "cluster":
            return StoreUnreachableError(
                f"none of the cluster's nodes at {asked} can be used: {causes[-1]}",
                hint="check that they run and that `redis_url` names them",
            )
        return StoreUnreachableError(
            f"no sentinel at {asked} names a master: {error}",
            hint="check that one of the hosts in `redis_url` answers, and the service's name",
        )

    def _by_sentinel(self) -> Nodes:
        options = self._options()
        for name in _LOGIN:
            options.pop(name, None)
        sentinel = Sentinel(self._hosts(), sentinel_kwargs={**options, **self.address.sentinel_login})
        try:
            host, port = self._discover(sentinel)
            self._remember((str(one["ip"]), int(one["port"])) for one in self._others(sentinel))
        finally:
            for client in sentinel.sentinels:
                client.close()
        url = self.address.url_of(str(host), int(port))
        return Nodes(url, (url,))

    def _discover(self, sentinel: Sentinel) -> tuple[str, int]:
        """Where the master is; why not, in words of ours: redis-py lists its own objects."""
        try:
            return cast("tuple[str, int]", sentinel.discover_master(self.address.service))
        except MasterNotFoundError:
            asked = ", ".join(f"{host}:{port}" for host, port in self._hosts())
            if any(map(self._answers, sentinel.sentinels)):
                raise StoreUnreachableError(
                    f"the sentinels at {asked} know no master {self.address.service!r} that is up",
                    hint="check the service's name in `redis_url`, and that its servers run",
                ) from None
            raise StoreUnreachableError(
                f"none of the sentinels at {asked} answers",
                hint="check the hosts in `redis_url`, and that one of them runs",
            ) from None

    def _answers(self, sentinel: redis.Redis) -> bool:
        """Whether it does; one that refuses us raises: its password is another than the servers'."""
        try:
            sentinel.ping()
        except redis.AuthenticationError as error:
            place = sentinel.connection_pool.connection_kwargs
            raise AuthenticationError(
                f"the sentinel at {place['host']}:{place['port']} refused us: {error}",
                hint="check `sentinel_password` in `redis_url`"
                if self.address.sentinel_login
                else "sentinels have a password of their own: `redis_url` gives it as `?sentinel_password=…`",
            ) from None
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            return False
        return True

    def _others(self, sentinel: Sentinel) -> list[dict[str, str]]:
        """The sentinels that the first one knows of."""
        return cast("list[dict[str, str]]", sentinel.sentinels[0].sentinel_sentinels(self.address.service))

    def _by_cluster(self, key: str) -> Nodes:
        nodes = [ClusterNode(host, port) for host, port in self._hosts()]
        try:
            cluster = RedisCluster(startup_nodes=nodes, require_full_coverage=False, **self._options())
            nodes += [*cluster.get_nodes(), *cluster.nodes_manager.startup_nodes.values()]
            masters = cluster.get_primaries()
            own = cluster.get_node_from_key(key) if key else next(iter(masters), None)
            self._remember((node.host, node.port) for node in cluster.get_nodes())
        finally:
            # Also those that a constructor which failed, or met a dead node, has left open.
            for node in nodes:
                if node.redis_connection is not None:
                    node.redis_connection.close()
        if own is None:
            raise StoreUnreachableError(
                f"no master of the cluster serves the slot of {key!r}",
                hint="`redis-cli --cluster check` says which node of `redis_url` is missing",
            )
        return Nodes(
            self.address.url_of(own.host, own.port),
            tuple(self.address.url_of(node.host, node.port) for node in masters),
        )

    def _options(self) -> dict[str, object]:
        """What redis-py makes of the plain URL of one server, but for its address."""
        options: dict[str, object] = dict(parse_url(self.address.url_of("x", 1)))
        for name in ("host", "port", "db", "path"):
            options.pop(name, None)
        if options.pop("connection_class", None) is not None:
            options["ssl"] = True
        timeouts = {"socket_timeout": ASK_TIMEOUT_S, "socket_connect_timeout": ASK_TIMEOUT_S}
        # Whoever calls us repeats; redis-py would, ten times.
        return {**options, **timeouts, "retry": Retry(NoBackoff(), 0)}

    def _hosts(self) -> list[tuple[str, int]]:
        """Those of the URL first, then those that these told of."""
        return list(dict.fromkeys([*self.address.hosts, *self._known]))

    def _remember(self, hosts: Iterable[tuple[str, int]]) -> None:
        self._known |= dict.fromkeys(hosts)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it came of, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
