"""The git processes that are kept while a train is coupled."""

import os
import signal
from pathlib import Path

import pytest
from bare_hub import Bare

from swarm.repo.git.command import GitError
from swarm.repo.git.conversation import Conversation
from swarm.repo.git.merge import Conflict, Merged
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """A hub."""
    return Bare(Hub.open_or_create(tmp_path_factory.mktemp("hub") / "repo.git"))


def open_files() -> set[str]:
    """What this process has open, without the folder that is read for it."""
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.exists()}


def test_conflicts_and_clean_merges_take_turns(bare: Bare) -> None:
    """What one answer says never runs into the next."""
    base = bare.commit({"a": b"1\n2\n3\n", "b": b"1\n"})
    ours = bare.commit({"a": b"1\nours\n3\n", "b": b"1\n"}, base)
    clash = bare.commit({"a": b"1\ntheirs\n3\n", "b": b"1\n"}, base)
    clean = bare.commit({"a": b"1\n2\n3\n", "b": b"2\n"}, base)

    with Workbench(bare.hub.path) as bench:
        kinds = [type(bench.merge(ours, each)) for each in (clean, clash, clash, clean, clash, clean)]

    assert kinds == [Merged, Conflict, Conflict, Merged, Conflict, Merged]


def test_a_tree_that_is_not_there_is_an_error_and_no_wait(bare: Bare) -> None:
    """And what is asked next is answered."""
    commit = bare.commit({"a": b"1\n"})
    with Workbench(bare.hub.path) as bench:
        tree = bench.tree_of(commit)

        with pytest.raises(GitError, match="is not there"):
            bench.changes(tree, "1" * 40)
        with pytest.raises(GitError, match="is not there"):
            bench.tree_of("2" * 40)
        assert bench.changes(tree, tree) == []


def test_a_kept_git_that_is_killed_says_so_and_leaves_nothing_open(bare: Bare) -> None:
    """The error names the verb; pipes and files are closed."""
    before = open_files()
    commit = bare.commit({"a": b"1\n"})
    with Workbench(bare.hub.path) as bench:
        bench.merge(commit, commit)
        [talk] = bench._talks.values()
        os.kill(talk._process.pid, signal.SIGKILL)
        talk._process.wait()
        with pytest.raises(GitError, match="merge-tree") as caught:
            bench.merge(commit, commit)

    assert caught.value.status == -signal.SIGKILL
    assert open_files() == before


def test_an_answer_that_does_not_come_is_waited_for_so_long(bare: Bare) -> None:
    """The process is ended, and its silence is the error."""
    talk = Conversation(bare.hub.git, "cat-file", "--batch-check", silence_s=0.2)

    with talk, pytest.raises(GitError, match=r"said nothing for 0\.2 s"):
        talk.read_to(b"\n")
