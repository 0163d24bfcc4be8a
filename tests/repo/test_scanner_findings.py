"""Which of a scanner's findings are new: by a scanner that really looks at the trees, in a hub."""

import json
from pathlib import Path

import pytest
from bare_hub import Bare

from swarm.repo.gates.findings import Finding, read_findings
from swarm.repo.gates.gate import Gate, GateResult, Kind
from swarm.repo.gates.ground import Ground
from swarm.repo.gates.running import run_gates
from swarm.repo.hub.hub import Hub
from swarm.testing.launcher import SubprocessLauncher

SCANNER = """
import json, pathlib
results = [
    {
        "ruleId": "R1",
        "message": {"text": f"call of BAD in {path}"},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": path.absolute().as_uri()}, "region": {"startLine": number}}}],
    }
    for path in sorted(pathlib.Path(".").rglob("*.txt"))
    for number, line in enumerate(path.read_text().splitlines(), 1)
    if "BAD(" in line
]
pathlib.Path("out.sarif").write_text(json.dumps({"runs": [{"results": results}]}))
"""
GATE = Gate("security", ("python3", "-c", SCANNER), kind=Kind.SECURITY, findings="out.sarif")
ONE = b"a = 0\n\nx = BAD(1)\n"


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A hub of its own."""
    return Bare(Hub.open_or_create(tmp_path / "hub" / "repo.git"))


def judge(bare: Bare, before: dict[str, bytes], after: dict[str, bytes]) -> GateResult:
    """What the gate says of one tree that comes after another."""
    base = bare.commit(before)
    ground = Ground(bare.hub, bare.commit(after, base), base, SubprocessLauncher())
    [result] = run_gates([GATE], ground).results
    return result


def test_a_new_finding_does_not_hide_behind_one_that_was_mended(bare: Bare) -> None:
    """Both have rule, file and message in common; the line is another."""
    red = judge(bare, {"a.txt": ONE}, {"a.txt": b"a = 0\nz = BAD(request.args)\nx = 1\n"})

    assert (red.exit_code, red.output) == (1, "a.txt:2: R1: call of BAD in a.txt (new)")


@pytest.mark.parametrize(
    "after",
    [
        {"b.txt": ONE},
        {"a b/c.txt": ONE},
        {"a.txt": b"\n\n  x = BAD(1)  \n"},
        {"a.txt": b"a = 0\n", "b.txt": b"x = BAD(1)\n"},
    ],
    ids=["renamed", "into a folder", "within the file", "to another file"],
)
def test_a_finding_that_was_only_moved_is_not_new(bare: Bare, after: dict[str, bytes]) -> None:
    """Nor where its message tells the place."""
    assert judge(bare, {"a.txt": ONE}, after).passed


def test_one_more_of_a_known_finding_is_new(bare: Bare) -> None:
    """As often as the base has it, it is known; the copy is told, not the original."""
    red = judge(bare, {"b.txt": ONE}, {"a.txt": ONE, "b.txt": ONE})

    assert red.output == "a.txt:3: R1: call of BAD in a.txt (new)"


def test_a_place_in_a_message_does_not_make_it_another() -> None:
    """Some scanners tell file and line there too."""
    here, there = (
        Finding("R1", path, f"{path}:{line}:1: bad, see line {line} of {path}", line, b"x")
        for path, line in (("a.txt", 3), ("b/a.txt", 12))
    )

    assert here.identity == there.identity
    assert here.identity != Finding("R1", "a.txt", "xa.txt:3:1: bad, see line 30 of a.txt", 3, b"x").identity


def found_in(tree: Path, uri: str, region: dict[str, object]) -> Finding:
    """The one finding of a log in that tree."""
    place = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
    results = [{"ruleId": "R1", "message": {"text": "bad"}, "locations": [place]}]
    (tree / "out.sarif").write_text(json.dumps({"runs": [{"results": results}]}))
    [finding] = read_findings(tree, "out.sarif")
    return finding


def test_what_is_at_no_line_is_known_by_its_quotation_or_its_path(tmp_path: Path) -> None:
    """Never by its rule and message alone: any other would pass for it."""
    (tmp_path / "a b.txt").write_text("one\n  two\n\n")
    quoted: dict[str, object] = {"startLine": 9, "snippet": {"text": " three "}}

    assert found_in(tmp_path, "a%20b.txt", {"startLine": 2}).identity == ("R1", "bad", b"two", "")
    assert found_in(tmp_path, "./a b.txt", {"startLine": 2}).identity == ("R1", "bad", b"two", "")
    assert found_in(tmp_path, "a b.txt", quoted).identity == ("R1", "bad", b"three", "")
    assert found_in(tmp_path, "a b.txt", {"startLine": 3}).identity == ("R1", "bad", b"", "a b.txt")
    assert found_in(tmp_path, "gone", {"startLine": 1}).identity == ("R1", "bad", b"", "gone")
    assert found_in(tmp_path, "a b.txt", {}).identity == ("R1", "bad", b"", "a b.txt")


@pytest.mark.parametrize("uri", ["../secret", "%2e%2e/secret", "link", "folder/secret", "tree\0", ""])
def test_no_line_is_read_outside_of_the_tree(tmp_path: Path, uri: str) -> None:
    """A scanner is trusted as little as the tree; what it names may be a way out of it."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tmp_path / "secret").write_text("mine\n")
    (tree / "link").symlink_to(tmp_path / "secret")
    (tree / "folder").symlink_to(tmp_path)

    assert found_in(tree, uri, {"startLine": 1}).text == b""


def test_all_findings_in_a_first_commit_are_new(bare: Bare) -> None:
    """No tree is before it that a scanner could be run on."""
    ground = Ground(bare.hub, bare.commit({"a.txt": ONE}), "", SubprocessLauncher())

    [red] = run_gates([GATE], ground).results

    assert red.output == "a.txt:3: R1: call of BAD in a.txt (new)"
