"""URLs of sentinels and clusters: what they mean, and what is said of those that mean nothing."""

import pytest

from swarm.engine.addresses import FORMS, parse_address
from swarm.engine.connect import open_store
from swarm.errors import ConfigError


def test_a_url_of_sentinels_names_them_and_their_service() -> None:
    """Ports, a database and a login are as in any other URL."""
    address = parse_address("redis+sentinel://ann:s%40ve@a:1,b,[::1]:3/shop/2?sentinel_password=x")

    assert (address.kind, address.hosts) == ("sentinel", (("a", 1), ("b", 26379), ("::1", 3)))
    assert (address.service, address.database, address.sentinel_login) == ("shop", 2, {"password": "x"})
    assert address.url_of("::1", 7) == "redis://ann:s%40ve@[::1]:7/2"


def test_a_url_of_a_cluster_names_some_of_its_nodes() -> None:
    """With TLS each of them is spoken to so, with the options that redis-py takes."""
    address = parse_address("rediss+cluster://:word@a:7000,b:7001?ssl_cert_reqs=none")

    assert (address.kind, address.hosts) == ("cluster", (("a", 7000), ("b", 7001)))
    assert address.url_of("c", 7002) == "rediss://:word@c:7002/0?ssl_cert_reqs=none"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("localhost:6379", "scheme"),
        ("nothing", "not a URL"),
        ("http://host:80", "scheme 'http'"),
        ("redis+sentinels://a:1/shop", "scheme"),
        ("redis+sentinel://a:1,b:2", "names no service"),
        ("redis+sentinel://a:1/shop/one", "'one' is not a number"),
        ("redis+sentinel://a:1/shop/1/2", "is not a number"),
        ("redis+sentinel://a:1,,b:2/shop", "a host is missing"),
        ("redis+cluster://", "a host is missing"),
        ("redis+cluster://a:70000", "'70000' is no port"),
        ("redis+cluster://a:x", "'x' is no port"),
        ("redis+cluster://a:1/3", "one database"),
    ],
)
def test_a_url_that_means_nothing_is_refused_with_all_forms(url: str, why: str) -> None:
    """What is wrong with it, and what it may be."""
    with pytest.raises(ConfigError, match="redis_url") as raised:
        open_store(url)

    assert why in raised.value.message
    assert all(form in raised.value.help for form in FORMS)


def test_no_error_shows_a_password() -> None:
    """What is shown of a URL ends up in logs."""
    with pytest.raises(ConfigError) as raised:
        open_store("redis+sentinel://:secret@a:1")

    assert "secret" not in f"{raised.value.message} {raised.value.help}"
