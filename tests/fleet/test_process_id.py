"""Which process a name means, and whether it still lives."""

import os
import socket
import subprocess
import sys

import pytest
from real_swarm import wait_for

from swarm.engine.records import AgentRecord
from swarm.engine.stored import decode_agent
from swarm.fleet.liveness import is_dead_here, supervisor_id
from swarm.fleet.process_id import ProcessId

PRINT_NAME = """
import sys
from swarm.fleet.process_id import ProcessId
print(ProcessId.mine(), flush=True)
sys.stdin.read()
"""


def start_process(*before: str) -> "tuple[subprocess.Popen[str], ProcessId]":
    """A living process and the name that it gives itself."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", PRINT_NAME],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    name = ProcessId.parse(process.stdout.readline().strip())
    assert name is not None
    return process, name


def test_a_process_is_alive_until_it_is_killed() -> None:
    """Dead means dead, and never both."""
    process, name = start_process()

    before = (name.is_alive(), name.is_dead(), ProcessId.running(process.pid))
    process.kill()
    process.communicate()
    after = (name.is_alive(), name.is_dead(), ProcessId.running(process.pid))

    assert before == (True, False, name)
    assert after == (False, True, None)


def test_a_zombie_is_dead() -> None:
    """Its parent has not collected it; it will not come back."""
    process, name = start_process()

    process.kill()

    # `poll` would collect it, so the name is all that is asked.
    wait_for(name.is_dead, "the zombie to count as dead")
    was_alive = name.is_alive()
    process.communicate()
    assert not was_alive


def test_a_number_that_was_used_again_is_another_process() -> None:
    """The moment of the start tells them apart."""
    mine = ProcessId.mine()
    earlier = mine._replace(mark=mine.mark[:4] + ("0001" if mine.mark[4:] != "0001" else "0002"))

    assert (mine.is_dead(), earlier.is_dead()) == (False, True)


def test_a_name_without_the_moment_of_the_start_is_judged_by_its_number() -> None:
    """Whoever gave it could not see when it started; that alone says nothing about its end."""
    process, name = start_process()
    markless = name._replace(mark=name.mark[:4] + "0000")

    before = markless.is_dead()
    process.kill()
    process.communicate()

    assert (before, markless.is_dead()) == (False, True)


JUDGE_WITHOUT_PROC = """
import socket, sys
from swarm.fleet.process_id import ProcessId
for line in sys.stdin:
    print(ProcessId(socket.gethostname(), int(line), "0000abcd").is_dead(), flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="hiding /proc needs root here")
def test_where_no_start_is_shown_the_number_alone_has_to_do() -> None:
    """A hidden /proc makes nobody dead who lives, nor alive who has ended."""
    hide = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
    process, _ = start_process()
    judge = subprocess.Popen(
        [*hide, sys.executable, "-c", JUDGE_WITHOUT_PROC],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert judge.stdin is not None
    assert judge.stdout is not None

    judged = []
    for kill in (False, True):
        if kill:
            process.kill()
            process.communicate()
        judge.stdin.write(f"{process.pid}\n")
        judge.stdin.flush()
        judged.append(judge.stdout.readline().strip())
    judge.communicate()

    assert judged == ["False", "True"]


@pytest.mark.parametrize("elsewhere", [{"host": "other-host"}, {"mark": "zzzz0000"}])
def test_a_process_elsewhere_cannot_be_judged_from_here(elsewhere: dict[str, str]) -> None:
    """Another machine's or another container's numbers mean nothing here."""
    process, name = start_process()
    process.kill()
    process.communicate()

    there = ProcessId(**{**name._asdict(), **elsewhere})

    assert (there.is_alive(), there.is_dead()) == (False, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="a space of process ids of one's own needs root here")
def test_a_container_numbers_its_processes_anew() -> None:
    """The same host name and number in another space is another process."""
    process, name = start_process("unshare", "--pid", "--fork", "--mount-proc")

    judged = (name.host == socket.gethostname(), name.is_here(), name.is_dead())
    process.communicate()

    assert judged == (True, False, False)


@pytest.mark.parametrize("prefix", ["", "supervisor-"])
def test_an_agent_is_dead_when_the_process_in_its_id_is(prefix: str) -> None:
    """Workers and supervisors are judged alike; an id that names no process is nobody's to judge."""
    process, name = start_process()

    def agent(worker_id: str) -> AgentRecord:
        return decode_agent(worker_id, {}, 0)

    before = is_dead_here(agent(f"{prefix}{name}"))
    process.kill()
    process.communicate()
    after = is_dead_here(agent(f"{prefix}{name}"))

    assert (before, after, is_dead_here(agent(f"{prefix}1"))) == (False, True, False)


def test_two_supervisors_of_one_number_have_two_ids() -> None:
    """The id of one that ended is not used again, nor that of one in another container."""
    own = supervisor_id()

    assert own == f"supervisor-{ProcessId.mine()}"
    assert own.endswith(ProcessId.mine().mark)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("host-12-0123abcd", ProcessId("host", 12, "0123abcd")),
        ("a-b-c-12-0123abcd", ProcessId("a-b-c", 12, "0123abcd")),
        ("host-x-0123abcd", None),
        ("host-12-ab", None),
        ("12-0123abcd", None),
        ("", None),
    ],
)
def test_a_name_says_where_it_ran(text: str, parsed: ProcessId | None) -> None:
    """Host names may hold dashes; what is no name is None."""
    assert ProcessId.parse(text) == parsed
    if parsed is not None:
        assert str(parsed) == text
