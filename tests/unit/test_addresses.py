"""URLs of sentinels and clusters: what they mean, and what is said of those that mean nothing."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis.connection import parse_url

from swarm.engine.addresses import FORMS, parse_address, server_of, socket_of, unix_url, without_secret
from swarm.engine.connect import open_store
from swarm.errors import ConfigError

ODD = st.text(alphabet=" ?#%&+;@:/\\[]*'\"$`~=41äß漢🎉\t\n", max_size=30)
PATHS = st.one_of(ODD.map(os.fsencode), st.binary(max_size=30)).map(
    lambda raw: "/" + os.fsdecode(raw.replace(b"\0", b"-"))
)


@given(path=PATHS, password=ODD)
@example(path="/srv/q?x/redis.sock", password="")
@example(path="/srv/h#x p%41y/a@b:c/redis.sock", password="a/b?c#d@e%41")
@example(path="//srv/[z/redis.sock", password="")
@example(path="/srv/\udcff/redis.sock", password="p")
def test_a_socket_is_found_again_whatever_its_path_holds(path: str, password: str) -> None:
    """A folder may be called anything; the URL is plain ASCII, and all who read it read the same."""
    url = unix_url(path, password=password)

    assert url.isascii()
    assert socket_of(url) == server_of(url) == path
    theirs = parse_url(url)  # type: ignore[no-untyped-call]  # redis-py's own reading
    assert os.fsencode(theirs["path"]) == os.fsencode(path) or "\ufffd" in theirs["path"]
    assert theirs.get("password", "") == password
    assert without_secret(url) == unix_url(path)


def test_a_path_that_a_person_wrote_as_it_is_still_leads_there() -> None:
    """Only what means something in a URL has to be escaped."""
    assert socket_of("unix:///srv/mein größtes/redis.sock?db=1") == "/srv/mein größtes/redis.sock"


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
        ("redis+cluster://a:٣", "'٣' is no port"),
        ("redis://[::1", "not a URL"),
        ("rediss://[::1", "not a URL"),
        ("redis+cluster://[::1", "not a URL"),
        ("redis://localhost:99999", "the port is none"),
        ("redis://localhost:port", "the port is none"),
        ("redis://localhost:0", "the port is none"),
        ("redis://localhost:1?socket_timeot=3", "option 'socket_timeot' is not known"),
        ("unix:///s?db=1&passwort=", "option 'passwort' is not known"),
        ("redis://localhost/one", "the database is not a number"),
        ("redis://localhost/1_0", "the database is not a number"),
        ("redis://localhost?db=٣", "the database is not a number"),
        ("unix://", "a path is missing"),
        ("unix:///?db=1", "a path is missing"),
        ("unix:///srv/h#x/redis.sock", "a '#' must be written %23"),
    ],
)
def test_a_url_that_means_nothing_is_refused_with_all_forms(url: str, why: str) -> None:
    """What is wrong with it, and what it may be."""
    with pytest.raises(ConfigError, match="redis_url") as raised:
        open_store(url)

    assert why in raised.value.message
    assert all(form in raised.value.help for form in FORMS)


def test_an_option_that_redis_py_does_not_know_is_told_before_anything_is_sent() -> None:
    """With TLS it knows many; a misspelt one is a setting to mend, no fault of ours."""
    with pytest.raises(ConfigError, match=r"redis_url: .*'socket_timeot'") as raised:
        open_store("rediss://localhost:1?socket_timeot=3")

    assert "after its `?`" in raised.value.help


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://:secret@a:1",
        "redis://:x@a:1?secret",
        "redis+sentinel://a:1?sentinel_password=x@secret",
        "redis://:[secret@a:1",
        "redis://:secret#@a:1",
        "redis://:1/secret@a:1",
        "redis://:x/secret@a:1",
        "redis://:x?secret@a:1",
        "unix://:x/secret@/srv/#",
        "x:secret@a:1",
    ],
)
def test_no_error_shows_a_password(url: str) -> None:
    """What is shown of a URL ends up in logs, also of one whose password was not escaped."""
    with pytest.raises(ConfigError) as raised:
        open_store(url)

    assert "secret" not in f"{raised.value.message} {raised.value.help}"
