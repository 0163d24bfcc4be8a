"""The five file tools, each through a real tool host."""

from pathlib import Path

import pytest

from swarm.sandbox.client import HostedSandbox
from swarm.sandbox.protocol import ToolError


def test_writing_makes_the_folders_above_and_keeps_the_bytes(sandbox: HostedSandbox, tree: Path) -> None:
    """Content arrives as it was given: no line end is translated, no character lost."""
    content = "first\r\nsecond ü\n"

    sandbox.call("write_file", {"path": "new/deep/file.txt", "content": content})

    assert (tree / "new/deep/file.txt").read_bytes() == content.encode()
    assert sandbox.call("read_file", {"path": "new/deep/file.txt"}) == content


def test_overwriting_keeps_the_mode(sandbox: HostedSandbox, tree: Path) -> None:
    """A script stays executable, and a shorter text leaves nothing of the longer one."""
    script = tree / "run.sh"
    script.write_text("#!/bin/sh\necho a long first version\n")
    script.chmod(0o755)

    sandbox.call("write_file", {"path": "run.sh", "content": "#!/bin/sh\n"})

    assert script.read_text() == "#!/bin/sh\n"
    assert script.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(("text", "found"), [("a b", 0), ("x x", 2), ("xxx", 3)])
def test_an_edit_needs_exactly_one_place(sandbox: HostedSandbox, tree: Path, text: str, found: int) -> None:
    """An edit that could mean two places, or none, changes nothing and says how many there are."""
    (tree / "f").write_text(text)

    with pytest.raises(ToolError, match=f"occurs {found} times in 'f'"):
        sandbox.call("edit_file", {"path": "f", "old": "x", "new": "y"})

    assert (tree / "f").read_text() == text


def test_an_edit_replaces_the_one_place(sandbox: HostedSandbox, tree: Path) -> None:
    """The rest of the file is as it was."""
    (tree / "f").write_text("one two three\n")

    sandbox.call("edit_file", {"path": "f", "old": "two", "new": "2"})

    assert (tree / "f").read_text() == "one 2 three\n"


def test_a_huge_file_is_refused_with_its_size(sandbox: HostedSandbox, tree: Path) -> None:
    """A sparse gigabyte is not read into memory."""
    with (tree / "huge").open("wb") as file:
        file.truncate(1 << 30)

    with pytest.raises(ToolError, match="path 'huge': has 1073741824 bytes"):
        sandbox.call("read_file", {"path": "huge"})
    assert sandbox.call("search_files", {"pattern": "."}) == "[no match]"


@pytest.mark.parametrize("data", [b"\x89PNG\0\0", b"\xff\xfe\xfa"])
def test_a_binary_file_is_refused(sandbox: HostedSandbox, tree: Path, data: bytes) -> None:
    """What is not UTF-8 text is not handed to a model."""
    (tree / "image").write_bytes(data)

    with pytest.raises(ToolError, match="path 'image': is not UTF-8 text"):
        sandbox.call("read_file", {"path": "image"})


def test_listing_skips_git_and_goes_nearest_first(sandbox: HostedSandbox, tree: Path) -> None:
    """Folders are listed breadth first; `.git` and what is behind links are not."""
    for name in ("b/deep/x.py", "a.py", ".git/HEAD", "b/y.py"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")
    (tree / "link").symlink_to("..")

    assert sandbox.call("list_files", {}).splitlines() == ["a.py", "link", "b/y.py", "b/deep/x.py"]
    assert sandbox.call("list_files", {"path": "b/deep"}) == "b/deep/x.py"


def test_listing_is_bounded(sandbox: HostedSandbox, tree: Path) -> None:
    """A generated tree of thousands does not fill the context."""
    for number in range(2100):
        (tree / f"{number:04}").touch()

    lines = sandbox.call("list_files", {}).splitlines()

    assert len(lines) == 2001
    assert "more than 2000 files" in lines[-1]


def test_searching_names_path_line_and_text(sandbox: HostedSandbox, tree: Path) -> None:
    """Matches read `path:line: text`; `.git` is not searched."""
    (tree / "src").mkdir()
    (tree / "src/a.py").write_text("import os\n\ndef main(): ...\n")
    (tree / ".git").mkdir()
    (tree / ".git/config").write_text("def main")

    assert sandbox.call("search_files", {"pattern": r"def \w+"}) == "src/a.py:3: def main(): ..."
    assert sandbox.call("search_files", {"pattern": "import", "path": "src/a.py"}) == "src/a.py:1: import os"


def test_searching_is_bounded_in_matches(sandbox: HostedSandbox, tree: Path) -> None:
    """A pattern that matches everywhere says that it was cut."""
    (tree / "f").write_text("x\n" * 1000)

    lines = sandbox.call("search_files", {"pattern": "x"}).splitlines()

    assert len(lines) == 201
    assert "200 matches" in lines[-1]


def test_a_bad_pattern_is_refused_with_the_reason(sandbox: HostedSandbox) -> None:
    """The agent learns what is wrong with its expression."""
    with pytest.raises(ToolError, match=r"pattern '\(' is not a regular expression: missing \)"):
        sandbox.call("search_files", {"pattern": "("})


def test_a_pattern_that_explodes_ends_at_the_time_limit(sandbox: HostedSandbox, tree: Path) -> None:
    """Catastrophic backtracking costs five seconds, not the tool host."""
    (tree / "f").write_text("a" * 60 + "!\n")

    assert "stopped after 5 seconds" in sandbox.call("search_files", {"pattern": r"(a+)+$"})
    assert sandbox.call("list_files", {}) == "f"


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("remove_file", {}, "unknown tool 'remove_file'"),
        ("read_file", {}, "path must be text, got None"),
        ("read_file", {"path": 3}, "path must be text, got 3"),
        ("read_file", {"path": "f", "mode": "w"}, "unknown argument 'mode'"),
        ("read_file", {"path": "nowhere"}, "path 'nowhere': no such file"),
        ("edit_file", {"path": "f", "old": "", "new": "x"}, "old must not be empty"),
    ],
)
def test_a_wrong_call_is_refused_with_the_value(
    sandbox: HostedSandbox, tool: str, arguments: dict[str, object], said: str
) -> None:
    """Whatever a model sends as arguments becomes an answer to it, not the end of the tool host."""
    with pytest.raises(ToolError, match=said):
        sandbox.call(tool, arguments)
