"""Path confinement: what the file tools refuse, and what they still do."""

import os
from pathlib import Path

import pytest

from swarm.sandbox.client import HostedSandbox
from swarm.sandbox.protocol import ToolError

REFUSED = {
    "../secret.txt": "'..'",
    "a/../../secret.txt": "'..'",
    "/etc/passwd": "relative",
    "a\0b": "NUL",
    ".git/config": ".git",
    "sub/.git/hooks/pre-commit": ".git",
    ".GIT/config": "yours to touch",
    ".Git": "yours to touch",
    ".git./config": "yours to touch",
    ".git /config": "yours to touch",
    "git~1/config": "yours to touch",
    ".g\u200cit/config": "yours to touch",
    ".git:stream": "yours to touch",
    "x" * 300: "255 bytes",
    "x/" * 3000: "4096 characters",
    "\udcff": "not valid text",
    "": "top folder",
    ".": "top folder",
}


@pytest.mark.parametrize("path", REFUSED)
def test_a_path_that_is_not_plainly_inside_is_refused_and_named(
    sandbox: HostedSandbox, tree: Path, path: str
) -> None:
    """Nothing outside the tree is read or written, nor anything that git would take for its own."""
    before = sorted(tree.parent.rglob("*"))

    for tool, rest in (("read_file", {}), ("write_file", {"content": "pwned"})):
        with pytest.raises(ToolError, match="path ") as refused:
            sandbox.call(tool, {"path": path, **rest})

        assert REFUSED[path] in str(refused.value)
    assert sorted(tree.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("out", "../secret.txt"),
        ("absolute", "/etc/passwd"),
        ("git", ".git/config"),
        ("up", "sub/../../secret.txt"),
        ("loop", "loop"),
        ("top", "."),
    ],
)
def test_a_symbolic_link_that_leads_outside_is_not_followed(
    sandbox: HostedSandbox, tree: Path, link: str, target: str
) -> None:
    """Links out, absolute links, links into .git and loops are refused for reading and writing."""
    (tree / "sub").mkdir()
    (tree / ".git").mkdir()
    (tree / ".git/config").write_text("[core]")
    (tree / link).symlink_to(target)

    for tool, rest in (("read_file", {}), ("write_file", {"content": "pwned"})):
        with pytest.raises(ToolError, match=f"path '{link}'"):
            sandbox.call(tool, {"path": link, **rest})

    assert (tree.parent / "secret.txt").read_text() == "canary"
    assert (tree / ".git/config").read_text() == "[core]"


def test_a_folder_link_that_leads_outside_is_not_entered(sandbox: HostedSandbox, tree: Path) -> None:
    """A link in the middle of a path is held to the same rule as one at its end."""
    (tree / "out").symlink_to("..")

    with pytest.raises(ToolError, match="leads outside"):
        sandbox.call("read_file", {"path": "out/secret.txt"})
    with pytest.raises(ToolError, match="leads outside"):
        sandbox.call("list_files", {"path": "out"})


def test_a_link_that_stays_inside_is_followed(sandbox: HostedSandbox, tree: Path) -> None:
    """Repositories use links among their own files; those work, also through '..' that stays inside."""
    (tree / "a").mkdir()
    (tree / "b").mkdir()
    (tree / "a/real.txt").write_text("text")
    (tree / "b/link.txt").symlink_to("../a/real.txt")
    (tree / "c").symlink_to("b")

    assert sandbox.call("read_file", {"path": "c/link.txt"}) == "text"
    sandbox.call("write_file", {"path": "c/link.txt", "content": "new"})
    assert (tree / "a/real.txt").read_text() == "new"


def test_a_fifo_is_refused_without_waiting(sandbox: HostedSandbox, tree: Path) -> None:
    """Opening a FIFO would block the tool host; it is not a regular file."""
    os.mkfifo(tree / "pipe")

    with pytest.raises(ToolError, match="not a regular file"):
        sandbox.call("read_file", {"path": "pipe"})
    with pytest.raises(ToolError, match="path 'pipe'"):
        sandbox.call("write_file", {"path": "pipe", "content": "x"})


def test_a_hard_link_is_not_written_through(sandbox: HostedSandbox, tree: Path) -> None:
    """A second name of a file outside would carry the change outside."""
    os.link(tree.parent / "secret.txt", tree / "hard.txt")

    with pytest.raises(ToolError, match="hard links"):
        sandbox.call("write_file", {"path": "hard.txt", "content": "pwned"})

    assert (tree.parent / "secret.txt").read_text() == "canary"
