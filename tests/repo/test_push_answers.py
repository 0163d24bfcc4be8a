"""What servers answer to a push, and what it means: git's own words, and those of forges."""

import pytest

from swarm.repo.git.command import Answer
from swarm.repo.hub.push_answers import is_broken, is_locked, why_declined


def rejected(reason: str, said: str = "") -> Answer:
    """As `git push --porcelain` ends when the server has taken nothing."""
    return Answer(1, f"!\tHEAD:refs/x\t[remote rejected] ({reason})\n".encode(), said.encode())


@pytest.mark.parametrize(
    "reason",
    [
        "failed to update ref",
        "cannot lock ref 'refs/x': is at 1234 but expected 5678",
        "cannot lock ref 'refs/x': reference already exists",
        "reference already exists",
        "incorrect old value provided",
        "Cannot lock ref 'refs/x'",
        "reference does not exist",
        "atomic push failure",
        "transaction aborted",
    ],
)
def test_a_race_is_no_wish_of_the_servers(reason: str) -> None:
    """Another host was faster: whoever pushed looks again."""
    assert not why_declined(rejected(reason))


@pytest.mark.parametrize("reason", ["pre-receive hook declined", "deny updating a hidden ref"])
def test_a_server_that_does_not_want_it_says_why(reason: str) -> None:
    """Its reason, and what a hook said to people, whatever that is."""
    answer = rejected(reason, "remote: unable to create: no landings on Sundays\n")

    assert why_declined(answer) == f"{reason}: unable to create: no landings on Sundays"
    assert not is_locked(answer)


@pytest.mark.parametrize("reason", ["Internal Server Error", "unpacker error", "missing necessary objects"])
def test_a_server_that_is_broken_is_none_that_declines(reason: str) -> None:
    """It says nothing of what was pushed."""
    assert is_broken(rejected(reason))
    assert not is_broken(rejected("pre-receive hook declined"))


@pytest.mark.parametrize(
    "said", ["fatal: pack exceeds maximum allowed size (1.00 KiB)", "fatal: fsck error in packed object"]
)
def test_a_server_that_unpacks_no_such_thing_declines(said: str) -> None:
    """Its disk is not full: it would never take it."""
    answer = rejected("unpacker error", f"remote: {said}\n")

    assert not is_broken(answer)
    assert said in why_declined(answer)


def test_a_lock_that_another_git_holds_is_told_from_a_refusal() -> None:
    """Nothing was compared: it may be tried again later."""
    said = "remote: error: cannot lock ref 'refs/x': Unable to create '/a b.git/x.lock': File exists.\n"

    assert is_locked(rejected("failed to update ref", said))
