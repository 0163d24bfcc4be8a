"""`swarm gate`: what judges attempts, and how it judges a commit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarm.mounts import overlays
from swarm.testing.repository import UserRepository, make_repository

GATES = """
[gate.tests]
command = ["sh", "-c", "test -e green || { echo no green here; exit 3; }"]
timeout_s = 60

[gate.hint]
command = ["sh", "-c", "touch left-over; echo $WORD; exit 1"]
env = { WORD = "hello" }
required = false

[gate.clean]
command = ["sh", "-c", "! test -e left-over && ! test -e .git && ! test -e uncommitted"]
"""
Swarm = Callable[..., Any]


@pytest.fixture
def repository(folder: Path) -> UserRepository:
    """A repository with three gates, of which one is red, and a file that is not committed."""
    made = make_repository(folder, {"swarm.toml": (folder / "swarm.toml").read_text() + GATES})
    (folder / "uncommitted").write_text("not there for gates\n")
    return made


def test_gates_that_are_not_committed_are_told_of(swarm: Swarm, repository: UserRepository) -> None:
    """They judge nothing. Other edits of the file are no news, nor are they of what an older commit says."""
    file, old = repository.path / "swarm.toml", repository.head()
    committed = file.read_text()

    file.write_text(committed + "[limits]\ngeneral = 2\n")
    assert "warning" not in swarm("gate", "list").err
    for edit in ('[gate.new]\ncommand = ["x"]\n', "[approval]\npaths = ['a']\n"):
        file.write_text(committed + edit)
        told = swarm("gate", "list")
        assert "those of the commit judge; commit it first if yours are to" in told.err
        assert [line.split()[0] for line in told.out.splitlines()[1:]] == ["tests", "hint", "clean"]
        assert "warning" in swarm("gate", "run", "clean").err
        assert "warning" not in swarm("gate", "list", "--rev", old).err


def test_the_gates_of_a_commit_are_listed(swarm: Swarm, repository: UserRepository) -> None:
    """In their order, with what each is; of an older commit too."""
    old = repository.head()
    repository.commit(
        {"swarm.toml": (repository.path / "swarm.toml").read_text() + '[gate.new]\ncommand = ["x"]\n'}
    )

    now, then = swarm("gate", "list"), swarm("gate", "list", "--rev", old, "--json").json()

    assert [line.split()[:3] for line in now.out.splitlines()[1:]] == [
        ["tests", "required", "1m00s"],
        ["hint", "advisory", "30m00s"],
        ["clean", "required", "30m00s"],
        ["new", "required", "30m00s"],
    ]
    assert then["commit"] == old
    assert [one["name"] for one in then["gates"]] == ["tests", "hint", "clean"]
    assert then["gates"][1] | {"command": []} == {
        "name": "hint",
        "kind": "command",
        "command": [],
        "timeout_s": 1800.0,
        "env": {"WORD": "hello"},
        "required": False,
        "sample": 1.0,
    }


def test_each_gate_runs_in_a_clean_checkout_and_red_ends_with_1(
    swarm: Swarm, repository: UserRepository
) -> None:
    """What is not committed takes no part; a red one keeps no other from running."""
    ended = swarm("gate", "run", "--json")

    told = ended.json()
    assert ended.code == 1
    assert (told["commit"], told["passed"]) == (repository.head(), False)
    assert [(one["name"], one["passed"], one["exit_code"]) for one in told["gates"]] == [
        ("tests", False, 3),
        ("hint", False, 1),
        ("clean", True, 0),
    ]
    assert [one["output"] for one in told["gates"]] == ["no green here\n", "hello\n", ""]
    assert "tests: exit code 3" in ended.err


def test_chosen_gates_run_on_a_chosen_commit(swarm: Swarm, repository: UserRepository) -> None:
    """Green, the exit code is 0; one that is not required decides nothing."""
    red = repository.head()
    repository.commit({"green": ""})

    green = swarm("gate", "run", "tests", "hint")
    again = swarm("gate", "run", "tests", "--rev", red)

    assert green.code == 0
    assert "1 of 2 green" in green.out
    assert "hint: exit code 1 (advisory)" in green.err
    assert again.code == 1
    assert "  | no green here" in again.out
    assert (repository.path / ".swarm" / "logs" / "gate.log").read_text() == "no green here\n"


def test_what_cannot_be_run_says_why(swarm: Swarm, repository: UserRepository) -> None:
    """An unknown gate or commit, and a repository without gates."""
    wrong, nowhere = swarm("gate", "run", "test"), swarm("gate", "list", "--rev", "nowhere")
    repository.commit({"swarm.toml": ""})
    none = swarm("gate", "run")

    assert (wrong.code, nowhere.code, none.code) == (2, 2, 2)
    assert "no gate 'test'\nhelp: known: tests, hint, clean" in wrong.err
    assert "has no commit 'nowhere'" in nowhere.err
    assert "there is no gate\nhelp: `swarm init` writes one" in none.err
    assert swarm("gate", "list").out.startswith("none in swarm.toml at ")


SLOW = '[gate.slow]\ncommand = ["sh", "-c", "echo begun; exec sleep 600"]\n'


def slow_gate(folder: Path) -> "subprocess.Popen[str]":
    """`swarm gate run` of a repository whose one gate is at work by now."""
    make_repository(folder, {"swarm.toml": (folder / "swarm.toml").read_text() + SLOW})
    running = subprocess.Popen(
        [sys.executable, "-m", "swarm", "-C", str(folder), "gate", "run"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = folder / ".swarm" / "logs" / "gate.log"
    deadline_s = time.monotonic() + 60
    while not (log.exists() and "begun" in log.read_text()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return running


def left_behind(folder: Path) -> list[str]:
    """The checkouts that are still there, and what is mounted below."""
    mounted = [
        str(one.folder) for one in overlays() if one.folder.is_relative_to(folder / ".swarm" / "gates")
    ]
    return [*(path.name for path in (folder / ".swarm" / "gates").iterdir()), *mounted]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_no_checkout_and_no_mount(folder: Path, number: signal.Signals, code: int) -> None:
    """A CI that runs out of time does not fill its disk; it says how it ended."""
    running = slow_gate(folder)
    there = left_behind(folder)

    running.send_signal(number)
    _, told = running.communicate(timeout=30)

    assert there != []
    assert left_behind(folder) == []
    assert running.returncode == code
    assert ("stopped by SIGTERM" if number == signal.SIGTERM else "interrupted") in told


def test_what_a_killed_one_left_is_swept_by_the_next(swarm: Swarm, folder: Path) -> None:
    """No signal can be heard by who is killed at once."""
    running = slow_gate(folder)
    running.kill()
    running.communicate()
    there = left_behind(folder)
    (folder / "swarm.toml").write_text((folder / "swarm.toml").read_text().replace("sleep 600", "true"))
    make_repository(folder, {"swarm.toml": (folder / "swarm.toml").read_text()})

    ended = swarm("gate", "run")

    assert there != []
    assert ended.code == 0
    assert left_behind(folder) == []


AWS = "key = 'AKIA" + "Q3EGRZ7N2XWVT5LM'\n"  # in two parts: this file is looked at as well
CONFLICT = "<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\n"
COMPARING = """
[gate.security]
[gate.conflicts]
[gate.performance]
command = ["true"]
"""


def test_all_in_a_first_commit_is_new(swarm: Swarm, folder: Path) -> None:
    """It has no parent; compared with itself it would hide nothing less than all."""
    toml = (folder / "swarm.toml").read_text() + COMPARING
    made = make_repository(folder, {"swarm.toml": toml, "a.py": AWS, "b.txt": CONFLICT})
    first = made.head()

    ended = swarm("gate", "run", "--json")

    told = ended.json()
    security, conflicts, performance = told["gates"]
    assert (ended.code, told["against"], told["passed"]) == (1, None, False)
    assert security["output"] == "a.py:1: looks like a secret (AWS Access Key)"
    assert conflicts["output"] == "b.txt:1: a conflict's markers"
    assert performance["passed"]
    assert performance["note"] == "compared nothing: no commit before it is known"
    assert f"no commit before {first[:12]} is known: it is compared with nothing" in ended.err
    assert "performance: green, but it compared nothing: no commit before it is known\n" in ended.err


def shallow(folder: Path, toml: str) -> None:
    """Make the folder a clone of the last of three commits; a secret came with the first."""
    own = (folder / "swarm.toml").read_text() + toml
    origin = make_repository(folder / "origin", {"swarm.toml": own, "a.py": AWS})
    origin.commit({"b.txt": "b\n"})
    origin.commit({"c.txt": "c\n"})
    origin.git("clone", "-q", "--depth=1", f"file://{origin.path}", str(folder / "clone"))
    (folder / "clone" / ".git").rename(folder / ".git")


def test_the_end_of_a_shallow_clone_is_no_first_commit(swarm: Swarm, folder: Path) -> None:
    """What is compared would be all new there; with the parent, which one more fetch gets, nothing is."""
    shallow(folder, COMPARING)

    refused = swarm("gate", "run")
    subprocess.run(["git", "-C", str(folder), "fetch", "-q", "--deepen=1"], check=True)
    ended = swarm("gate", "run", "--json")

    assert refused.code == 2
    assert "is the end of this shallow clone: its parent" in refused.err
    assert "and security, conflicts, performance would take all in it for new" in refused.err
    assert "help: `git fetch --deepen=1` gets it; `--against REV` compares" in refused.err
    assert (ended.code, len(ended.json()["against"])) == (0, 40)


def test_gates_that_compare_nothing_run_at_the_end_of_a_shallow_clone(swarm: Swarm, folder: Path) -> None:
    """As a CI clones: a test suite has no need of the commit before."""
    shallow(folder, '[gate.tests]\ncommand = ["true"]\n[gate.security]\n')

    ended = swarm("gate", "run", "tests")
    compared = swarm("gate", "run", "security", "--against", "HEAD")

    assert (ended.code, compared.code) == (0, 0)


def test_a_first_commit_may_be_compared_with_another(swarm: Swarm, folder: Path) -> None:
    """With itself, say: then nothing is new."""
    toml = (folder / "swarm.toml").read_text() + "[gate.security]\n"
    head = make_repository(folder, {"swarm.toml": toml, "a.py": AWS}).head()

    told = swarm("gate", "run", "--against", "HEAD", "--json").json()

    assert (told["against"], told["passed"]) == (head, True)


def test_a_benchmark_that_fails_on_the_parent_is_told_as_no_comparison(swarm: Swarm, folder: Path) -> None:
    """Green, and not plainly so."""
    bench = '[gate.performance]\ncommand = ["test", "-e", "new"]\n'
    made = make_repository(folder, {"swarm.toml": (folder / "swarm.toml").read_text() + bench})
    made.commit({"new": ""})

    ended = swarm("gate", "run", "--json")

    [told] = ended.json()["gates"]
    assert (told["passed"], told["note"]) == (True, "compared nothing: on the base: exit code 1")
    assert "performance: green, but it compared nothing: on the base: exit code 1\n" in ended.err


def test_the_last_line_names_the_green_gate_that_compared_nothing(swarm: Swarm, folder: Path) -> None:
    """Whoever reads that line alone takes green for compared; nor is a time told that measured nothing."""
    bench = '[gate.performance]\ncommand = ["test", "-e", "new"]\n'
    made = make_repository(folder, {"swarm.toml": (folder / "swarm.toml").read_text() + bench})
    made.commit({"new": ""})

    ended = swarm("gate", "run")

    assert ended.code == 0
    assert ended.out.startswith("1 of 1 green; performance compared nothing; what they printed is in ")
    assert "after" not in ended.err


def test_a_gate_that_runs_out_of_time_is_told_with_its_limit(swarm: Swarm, folder: Path) -> None:
    """What does not listen takes two seconds more to end, which nobody has set anywhere."""
    deaf = """[gate.deaf]\ncommand = ["sh", "-c", "trap '' TERM; sleep 60; sleep 60"]\ntimeout_s = 1\n"""
    make_repository(folder, {"swarm.toml": (folder / "swarm.toml").read_text() + deaf})

    ended = swarm("gate", "run")

    assert ended.err.splitlines()[-1] == "deaf: timed out after 1 s"
    assert "deaf: timed out after 1 s\n" in ended.out
