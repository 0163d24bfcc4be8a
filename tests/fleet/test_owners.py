"""Whose a container is, and whether they still live."""

import json
import subprocess
import sys
from textwrap import dedent

from real_swarm import wait_for

from swarm.fleet.owners import HOST, PID, STARTED, is_owner_dead, owner_labels

PRINT_LABELS = """
    import json, sys
    from swarm.fleet.owners import owner_labels
    print(json.dumps(owner_labels()), flush=True)
    sys.stdin.read()
"""


def start_owner() -> "tuple[subprocess.Popen[str], dict[str, str]]":
    """A living process and the labels that it would write."""
    process = subprocess.Popen(
        [sys.executable, "-c", dedent(PRINT_LABELS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def test_an_owner_is_alive_until_it_is_killed() -> None:
    """Dead means dead, also while nobody has collected the process."""
    process, labels = start_owner()

    before = is_owner_dead(labels)
    process.kill()
    process.communicate()
    after = is_owner_dead(labels)

    assert (before, after) == (False, True)


def test_a_zombie_is_dead() -> None:
    """Its parent has not collected it; it will not come back."""
    process, labels = start_owner()

    process.kill()

    # `poll` would collect it, so the labels are all that is asked.
    wait_for(lambda: is_owner_dead(labels), "the zombie to count as dead")
    process.communicate()


def test_a_process_id_that_was_used_again_is_not_the_owner() -> None:
    """The time of the start tells them apart."""
    labels = owner_labels()

    assert not is_owner_dead(labels)
    assert is_owner_dead({**labels, STARTED: "1"})


def test_an_owner_elsewhere_cannot_be_judged_from_here() -> None:
    """Another machine's or another container's process ids mean nothing here."""
    process, labels = start_owner()
    process.kill()
    process.communicate()

    assert not is_owner_dead({**labels, HOST: "elsewhere/1"})
    assert not is_owner_dead({HOST: labels[HOST]})
    assert not is_owner_dead({**labels, PID: "self"})
