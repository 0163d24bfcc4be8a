"""Where a scanner's findings are: URIs on top of bases that the log defines elsewhere (SARIF 2.1.0, 3.4)."""

import json
from pathlib import Path

import pytest

from swarm.repo.gates.findings import Finding, read_findings

Json = dict[str, object]


def found_in(tree: Path, location: Json, *, bases: Json | None = None, artifacts: object = None) -> Finding:
    """The one finding of a log in that tree, in the second line of the file that it names."""
    place = {"physicalLocation": {"artifactLocation": location, "region": {"startLine": 2}}}
    results = [{"ruleId": "R1", "message": {"text": "bad"}, "locations": [place]}]
    run = {"originalUriBaseIds": bases, "artifacts": artifacts, "results": results}
    (tree / "out.sarif").write_text(json.dumps({"runs": [run]}))
    [finding] = read_findings(tree, "out.sarif")
    return finding


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two files of one name, in different folders."""
    for folder, line in (("", "top"), ("src", "below"), ("src/a b", "deep")):
        (tmp_path / "tree" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / folder / "x.py").write_text(f"first\n{line}\n")
    return tmp_path / "tree"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ({"uri": "x.py"}, ("x.py", b"top")),
        ({"uri": "x.py", "uriBaseId": "SRC"}, ("src/x.py", b"below")),
        ({"uri": "x.py", "uriBaseId": "UNENDED"}, ("src/x.py", b"below")),
        ({"uri": "x.py", "uriBaseId": "DEEP"}, ("src/a b/x.py", b"deep")),
        ({"uri": "x.py", "uriBaseId": "HERE"}, ("src/x.py", b"below")),
        ({"uri": "src/x.py", "uriBaseId": "%SRCROOT%"}, ("src/x.py", b"below")),
        ({"uri": "src/x.py", "uriBaseId": "NOWHERE"}, ("src/x.py", b"below")),
        ({"uri": "src/x.py", "uriBaseId": "CONTAINER"}, ("src/x.py", b"below")),
        ({"uri": "x.py", "uriBaseId": "CIRCLE"}, ("x.py", b"top")),
        ({"index": 1}, ("src/x.py", b"below")),
        ({"uri": "x.py", "index": 1}, ("x.py", b"top")),
        ({"index": 7}, ("", b"")),
    ],
)
def test_a_finding_is_where_its_bases_lead(tree: Path, location: Json, expected: tuple[str, bytes]) -> None:
    """What is at the top of the tree is another file than one of that name below a base."""
    bases: Json = {
        "SRC": {"uri": "src/", "uriBaseId": "%SRCROOT%"},
        "UNENDED": {"uri": "src"},
        "DEEP": {"uri": "a%20b/", "uriBaseId": "HERE"},
        "HERE": {"uri": f"{(tree / 'src').as_uri()}/"},
        "%SRCROOT%": {"description": {"text": "the top of the tree"}},
        "CONTAINER": {"uri": "file:///workspace/"},
        "CIRCLE": {"uriBaseId": "CIRCLE"},
    }
    artifacts = [{"location": {"uri": "x.py"}}, {"location": {"uri": "x.py", "uriBaseId": "SRC"}}]

    finding = found_in(tree, location, bases=bases, artifacts=artifacts)

    assert (finding.path.replace("%20", " "), finding.text) == expected


@pytest.mark.parametrize("form", ["file://{}/src/x.py", "file://localhost{}/src/x.py", "file:{}/src/x.py"])
def test_an_absolute_uri_needs_no_base(tree: Path, form: str) -> None:
    """A base beside it is not looked at; the path is the same in every checkout."""
    finding = found_in(tree, {"uri": form.format(tree), "uriBaseId": "SRC"}, bases={"SRC": {"uri": "y/"}})

    assert (finding.path, finding.text) == ("src/x.py", b"below")
