"""A server that a person has stopped, and those who only look."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.fleet.server import ensure_server, stop_server
from swarm.fleet.server_file import running_url
from swarm.fleet.stopped import put_down, server_for_a_look
from swarm.settings import Settings

# The server outlives whoever starts it: here, this very process.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Settings]:
    """A repository whose server a person has stopped."""
    settings = Settings(root=tmp_path, home=tmp_path / ".swarm", project="served")
    ensure_server(settings)
    put_down(settings)
    yield settings
    stop_server(settings.home)


def test_whoever_looks_last_stops_the_server(stopped: Settings) -> None:
    """And nobody does so while another one looks."""
    with server_for_a_look(stopped) as first:
        with server_for_a_look(stopped) as second:
            assert second.pid == first.pid
        between = running_url(stopped.home)

    assert between == first.url
    assert running_url(stopped.home) is None


def test_a_server_that_is_needed_meanwhile_stays(stopped: Settings) -> None:
    """A run that begins while somebody looks keeps its server."""
    with server_for_a_look(stopped) as looked_at:
        started = ensure_server(stopped)

    assert started.pid == looked_at.pid
    assert running_url(stopped.home) == started.url


def test_a_look_that_fails_stops_the_server_too(stopped: Settings) -> None:
    """An error is no reason to leave it running."""
    with pytest.raises(ZeroDivisionError), server_for_a_look(stopped):
        raise ZeroDivisionError

    assert running_url(stopped.home) is None


def test_a_server_that_nobody_stopped_is_left_running(stopped: Settings) -> None:
    """Only a person's word counts."""
    server = ensure_server(stopped)

    with server_for_a_look(stopped) as looked_at:
        pass

    assert looked_at.pid == server.pid
    assert running_url(stopped.home) == server.url
