"""Long commands say on stderr what they are at."""

import time

import pytest

from swarm.cli.waiting import waiting

DEADLINE_S = 10.0


def test_who_waits_long_is_told_what_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    """First what was begun with, then what came of it; nothing on stdout, nothing after the end."""
    said, until_s = "", time.monotonic() + DEADLINE_S

    with waiting("reading", first_s=0.0, every_s=0.01) as now:
        while "reading" not in said and time.monotonic() < until_s:
            said += capfd.readouterr().err
        now.at("storing 5 of 9 tasks")
        while "storing" not in said and time.monotonic() < until_s:
            said += capfd.readouterr().err

    assert "reading (0 s so far)\n" in said
    assert "storing 5 of 9 tasks (" in said
    left = capfd.readouterr()
    assert left.out == ""


def test_who_does_not_wait_reads_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """A command that is over at once has nothing to say."""
    with waiting("reading"):
        pass

    assert capfd.readouterr() == ("", "")
