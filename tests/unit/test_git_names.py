"""The one rule for names that some file system takes for `.git`, held to git's own."""

import itertools
import subprocess
from pathlib import Path

import pytest

from swarm.sandbox.git_names import is_git_name
from swarm.settings import scrubbed_environment

STEMS = (".git", ".GIT", ".giT", "git~1", "GIT~1", ".g\u200cit", "\ufeff.git", ".gi\u202et", ".git\u206f")
OTHERS = (
    ".gitignore",
    ".github",
    "git",
    "git~2",
    ".g\u0131t",
    ".g\u2060it",
    "..git",
    ".git-",
    "a.git",
    "agit~1",
)
ENDS = ("", ".", " ", ". . ", ":", "::$INDEX_ALLOCATION", ".:x", "x", " x")


@pytest.fixture(scope="module")
def refused_by_git(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Those of the names below that git puts into no index, with both of its protections on."""
    root = tmp_path_factory.mktemp("names")
    git = ["git", "-C", str(root), "-c", "core.protectHFS=true", "-c", "core.protectNTFS=true"]
    environment = scrubbed_environment()
    subprocess.run([*git, "init", "-q"], check=True, env=environment)
    blob = subprocess.run(
        [*git, "hash-object", "-w", "--stdin"], input=b"", capture_output=True, check=True, env=environment
    ).stdout.decode()
    names = [stem + end for stem, end in itertools.product((*STEMS, *OTHERS), ENDS)]
    for name in names:
        subprocess.run(
            [*git, "update-index", "-z", "--index-info"],
            input=f"100644 {blob.strip()}\t{name}/file\0".encode(),
            capture_output=True,
            check=False,
            env=environment,
        )
    listed = subprocess.run([*git, "ls-files", "-z"], capture_output=True, check=True, env=environment).stdout
    return set(names) - {path.removesuffix("/file") for path in listed.decode().split("\0")}


def test_what_git_refuses_is_refused_and_nothing_else(refused_by_git: set[str]) -> None:
    """Case, ignored code points, trailing dots and spaces, streams and short names; no look-alikes."""
    names = {stem + end for stem, end in itertools.product((*STEMS, *OTHERS), ENDS)}
    ours = {name for name in names if is_git_name(name)}

    assert len(refused_by_git) > 20
    assert refused_by_git - ours == set()
    # git does not look for an ignored code point and an NTFS ending in one name; we do.
    assert [name for name in ours - refused_by_git if name.isascii()] == []


def test_a_file_systems_two_habits_may_come_together() -> None:
    """An ignored code point inside, and a stream after it."""
    assert is_git_name(".g\u200dit::$INDEX_ALLOCATION")
    assert is_git_name(".git\\hooks")


def test_every_reader_of_names_has_the_same_rule() -> None:
    """Plans, agents' tools and the walker of a workspace ask here, and spell nothing themselves."""
    root = Path(__file__).resolve().parents[2]
    spelled = [
        str(path.relative_to(root))
        for path in (*root.glob("swarm/**/*.py"), *root.glob("workers/**/*.py"))
        if "git~" in path.read_text(encoding="utf-8")
    ]

    assert spelled == ["swarm/sandbox/git_names.py"]
