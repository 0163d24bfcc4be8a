"""What each kind of gate finds, on real commits in a hub, and what it leaves alone."""

import base64
import json
import random
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from bare_hub import Bare

from swarm.errors import ConfigError
from swarm.repo.gates.affected import affected_tests
from swarm.repo.gates.definitions import load_gates
from swarm.repo.gates.findings import parse_sarif
from swarm.repo.gates.gate import Gate, GateResult, Kind
from swarm.repo.gates.ground import Ground
from swarm.repo.gates.import_graph import reachable_from
from swarm.repo.gates.markers import marked_at
from swarm.repo.gates.performance import judge_pairs
from swarm.repo.gates.running import run_gates
from swarm.repo.gates.secrets import kinds_of_secret
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.judging import is_sampled
from swarm.testing.launcher import SubprocessLauncher

AWS = b"key = 'AKIA" + b"Q3EGRZ7N2XWVT5LM'\n"  # in two parts: this file is looked at as well
LONG_JWT = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": "x" * 1500}, "signature")
)
CONFLICT = b"a\n<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\n"


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A hub of its own."""
    return Bare(Hub.open_or_create(tmp_path / "hub" / "repo.git"))


def judge(bare: Bare, gate: Gate, before: dict[str, bytes], after: dict[str, bytes]) -> GateResult:
    """What the gate says of one tree that comes after another."""
    base = bare.commit(before)
    log = bare.hub.home / "log"
    ground = Ground(bare.hub, bare.commit(after, base), base, SubprocessLauncher(), log=log)
    [result] = run_gates([gate], ground).results
    return result


SECURITY = Gate("security", kind=Kind.SECURITY)


def test_a_conflicts_markers_are_named_with_their_line(bare: Bare) -> None:
    """In what changed; where the base had some already, in a merge tool's tests say, it is left alone."""
    gate = Gate("conflicts", kind=Kind.CONFLICTS)
    before = {"a.txt": b"a\n", "fixture.txt": CONFLICT, "gone.txt": b""}

    red = judge(bare, gate, before, {"a.txt": CONFLICT, "fixture.txt": CONFLICT + b"more\n"})
    green = judge(bare, gate, before, {"a.txt": b"a\n=======\nb\n", "fixture.txt": CONFLICT})

    assert (red.exit_code, red.output) == (1, "a.txt:2: a conflict's markers")
    assert red.argv == ("swarm", "gate", "run", "conflicts")
    assert green.passed


def test_a_conflicts_markers_that_were_moved_or_copied_are_none_of_the_attempt(bare: Bare) -> None:
    """The base had them under another name; what is new beside them is red all the same."""
    gate = Gate("conflicts", kind=Kind.CONFLICTS)
    before = {"old.txt": CONFLICT, "a.txt": b"a\n"}
    other = CONFLICT.replace(b"b\n", b"B\n")

    copied = judge(bare, gate, before, {**before, "new.txt": CONFLICT})
    moved = judge(bare, gate, before, {"new.txt": CONFLICT, "a.txt": b"a\n"})
    edited = judge(bare, gate, before, {"new.txt": CONFLICT + b"more\n", "a.txt": b"a\n"})
    one_more = judge(bare, gate, before, {"new.txt": CONFLICT + other, "a.txt": b"a\n"})
    twice = judge(bare, gate, before, {"b.txt": CONFLICT + b"more\n", "c.txt": CONFLICT + b"and more\n"})
    in_place = judge(bare, gate, before, {"a.txt": other})

    assert copied.passed
    assert moved.passed
    assert edited.passed
    assert one_more.output == "new.txt:8: a conflict's markers"
    assert twice.output == "c.txt:2: a conflict's markers"
    assert in_place.output == "a.txt:2: a conflict's markers"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (CONFLICT, 2),
        (b"<<<<<<< a\n||||||| b\n=======\n>>>>>>> c\n", 1),
        (b"<<<<<<< a\r\n=======\r\n>>>>>>> c\r\n", 1),
        (b"<<<<<<< a\n>>>>>>> c\n", 0),
        (b">>>>>>> c\n=======\n<<<<<<< a\n", 0),
        (b"Title\n=======\n", 0),
        (b"", 0),
    ],
)
def test_markers_count_only_in_their_order(content: bytes, line: int) -> None:
    """An underlined heading is none."""
    assert marked_at(content) == line


def test_a_secret_on_a_new_line_is_red_and_is_not_repeated(bare: Bare) -> None:
    """Its place and its kind are told; what the base had, and what swarm.toml allows, is left alone."""
    known = {"old.py": AWS, "a.py": b"x = 1\n"}

    red = judge(bare, SECURITY, known, {"old.py": b"\n" + AWS, "a.py": b"x = 1\n" + AWS})
    moved = judge(bare, SECURITY, known, {"old.py": b"\n\n" + AWS, "a.py": b"x = 2\n"})
    allowed = judge(
        bare,
        Gate("security", kind=Kind.SECURITY, allow=("tests/keys/**",)),
        {"a.py": b""},
        {"a.py": b"", "tests/keys/a.pem": b"-----BEGIN RSA " + b"PRIVATE KEY-----\n"},
    )

    assert (red.exit_code, red.output) == (1, "a.py:2: looks like a secret (AWS Access Key)")
    assert str(red) == f"security: {red.output}"
    assert AWS.split(b"'")[1].decode() not in (bare.hub.home / "log").read_text()
    assert moved.passed
    assert allowed.passed


def test_a_known_secret_that_appears_once_more_is_red(bare: Bare) -> None:
    """As often as the base has the line it is only moved; the next copy is new."""
    twice = judge(bare, SECURITY, {"a.py": AWS}, {"a.py": AWS + AWS})
    elsewhere = judge(bare, SECURITY, {"a.py": AWS + b"b\n" + AWS}, {"a.py": b"b\n" + AWS + AWS})

    assert (twice.exit_code, twice.output) == (1, "a.py:2: looks like a secret (AWS Access Key)")
    assert elsewhere.passed


def test_a_comment_does_not_talk_the_gate_out_of_it(bare: Bare) -> None:
    """Whoever is judged does not say what is overlooked."""
    line = AWS.rstrip() + b"  # pragma: allowlist secret\n"

    assert not judge(bare, SECURITY, {"a.py": b""}, {"a.py": line}).passed


UTF_16 = AWS.decode().encode("utf-16")


def test_a_key_is_known_by_its_body(bare: Bare) -> None:
    """All keys begin alike, some for a whole line more: another one in its place, or elsewhere, is new."""
    begin, same, end = (
        b"-----BEGIN OPENSSH " + b"PRIVATE KEY-----\n",
        b"b3BlbnNz\n",
        b"-----END OPENSSH-----\n",
    )
    old, new = (begin + same + body + end for body in (b"AAAA\n", b"BBBB\n"))

    replaced = judge(bare, SECURITY, {"test.pem": old}, {"test.pem": new})
    elsewhere = judge(bare, SECURITY, {"test.pem": old}, {"deploy.pem": new})
    moved = judge(bare, SECURITY, {"test.pem": old}, {"deploy.pem": b"x\n" + old})

    assert replaced.output == "test.pem:1: looks like a secret (Private Key)"
    assert elsewhere.output == "deploy.pem:1: looks like a secret (Private Key)"
    assert moved.passed


@pytest.mark.parametrize(
    "content",
    [b"\0" + AWS, AWS * 2 + b"\0", UTF_16, b"x = 1\r" + AWS],
    ids=["NUL first", "NUL last", "UTF-16", "CR"],
)
def test_no_byte_keeps_a_secret_from_being_seen(bare: Bare, content: bytes) -> None:
    """What git takes for binary is published as well."""
    red = judge(bare, SECURITY, {"a.bin": b""}, {"a.bin": content})

    assert "looks like a secret (AWS Access Key)" in red.output


def test_a_secret_in_a_new_files_name_is_red_and_is_not_repeated(bare: Bare) -> None:
    """It lands in the history as any other; the folder is told."""
    secret = AWS.split(b"'")[1].decode()
    name = f"dumps/{secret}.txt"  # told as none of it

    red = judge(bare, SECURITY, {"a": b""}, {"a": b"", name: AWS, f"{secret}/x/y": b""})
    known = judge(bare, SECURITY, {name: b""}, {name: b"edited"})

    assert red.output.splitlines() == [
        "…/x/y: the name looks like a secret",
        "dumps/…: the name looks like a secret",
        "dumps/…:1: looks like a secret (AWS Access Key)",
    ]
    assert known.passed


def test_looking_for_secrets_ends_at_the_gates_limit(bare: Bare) -> None:
    """What nobody has looked at is not green."""
    gate = replace(SECURITY, timeout_s=0.001)

    for content in (b"x = 'abcdefgh'\n" * 20_000, b"a://a:" * 1_000_000):  # also within one line
        late = judge(bare, gate, {"a": b""}, {"a": content})

        assert not late.passed
        assert "no time was left to look for secrets from here on" in late.output


def test_a_secret_in_a_links_target_is_red(bare: Bare) -> None:
    """A link is no file, and is published all the same."""
    base = bare.commit({"a": b""})
    target = AWS.split(b"'")[1]
    blob = bare.hub.git.run("hash-object", "-w", "--stdin", stdin=target).decode().strip()
    tree = bare.hub.git.run("mktree", stdin=f"120000 blob {blob}\tlink\n".encode()).decode().strip()
    ground = Ground(bare.hub, tree, base, SubprocessLauncher())

    [red] = run_gates([SECURITY], ground).results

    assert red.output == "link:1: looks like a secret (AWS Access Key)"


def test_a_secret_that_only_went_to_another_file_is_not_new(bare: Bare) -> None:
    """A file is renamed, or lines of it; a copy is one more."""
    key = b"x\n" + AWS

    renamed = judge(bare, SECURITY, {"old.py": key}, {"new.py": key})
    moved = judge(bare, SECURITY, {"a.py": key, "b.py": b""}, {"a.py": b"x\n", "b.py": AWS})
    copied = judge(bare, SECURITY, {"a.py": key}, {"a.py": key, "b.py": AWS})

    assert renamed.passed
    assert moved.passed
    assert copied.output == "b.py:1: looks like a secret (AWS Access Key)"


@pytest.mark.parametrize(
    "line",
    [
        "token = 'sk-ant-" + "api03-" + "aB3" * 12 + "'",
        "ghp_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5",
        "github" + "_pat_" + "a1B2c3D4e5" * 6,
        "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
        "xoxb-" + "123456789012-123456789012-abcdefghijklmnopqrstuvwx",
        "x" * 19_990 + " AKIA" + "Q3EGRZ7N2XWVT5LM",  # over the seam of two pieces
        "x" * 18_500 + " " + LONG_JWT,
        "'AI" + "za" + "aB3dE5fG7h" * 3 + "aB3d-'",  # which no word ends with
        "sk-ant-" + "ort01-" + "aB3" * 12,
        "aws_secret_access_key = " + "aB3/" * 10,
        '"AwsSecretAccessKey": "' + "aB3+" * 10 + '"',
        "url = https://deploy:" + "s3cretXYZ99" + "@git.acme.dev/repo.git",
        "DATABASE_URL=postgresql://app:" + "9fKq2mZx77" + "@db.acme.dev:5432/app",
        "redis://:" + "9fKq2mZx77" + "@cache.acme.dev:6379",
        "https://deploy:" + "9fKq2mZx77" + "@host/",
        "https://a.b%40c.de:" + "9fKq2mZx77" + "@git.acme.dev",
        "https://deploy:" + "9fKq2mZx77" + "@[2001:db8::1]/",
        "secretAccessKey: '" + "aB3/" * 10 + "'",
        "AWS_SECRET_KEY := " + "aB3/" * 10,
    ],
    ids=[
        "anthropic",
        "github",
        "github-fine",
        "ssh",
        "slack",
        "seam",
        "long-seam",
        "google",
        "refresh",
        "aws-file",
        "aws-json",
        "url",
        "url-postgres",
        "url-no-user",
        "url-bare-host",
        "url-quoted-user",
        "url-ipv6",
        "aws-sdk",
        "aws-make",
    ],
)
def test_forms_of_secrets(line: str) -> None:
    """As services issue them."""
    assert list(kinds_of_secret(line))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "sha = '3f785e0aabb1c8dd91b3a1c7a6b0e1f2d3c4b5a6'",
        "password = getpass.getpass()",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "import os, sys  # AKIA is the beginning of a key",
        "id = 'b1946ac92492d2347c6235b4d2611184'",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = os.environ['AWS_SECRET_ACCESS_KEY']",
        "https://user:password@host.com/path",
        "postgresql://app:${DB_PASSWORD_2}@db.acme.dev/app",
        "postgresql://app:<password-1234>@db.acme.dev/app",
        "postgres://postgres:postgres1234@localhost:5432/test",
        "https://bob:correcthorse9@www.example.com/",
        "https://user:password123@acme.dev, https://user:changeme123@acme.dev",
        "https://user:your-password-1@acme.dev, https://user:__PASSWORD_1__@acme.dev",
        "https://user:xxxxxxxxxx1@acme.dev",
        "HTTPS://jo%40email.com:a%20secret@m\u00fcller.de:1234/pa%20th",
        "postgres://app:postgres1234@db:5432/app",
        "aws_secret_access_key = " + "x" * 40,
        "aws_secret_access_key = " + "0" * 40,
        "secret_access_key = 3f785e0aabb1c8dd91b3a1c7a6b0e1f2d3c4b5a6",
        "http://127.0.0.1:8080/a@b.c, https://acme.dev:8443/x1y2z3w4v5@w.acme.dev",
        "see https://acme.dev/users/a:1234567890b@acme.dev",
    ],
)
def test_no_secrets(line: str) -> None:
    """Hashes, and words about secrets."""
    assert list(kinds_of_secret(line)) == []


def sarif(*found: tuple[str, str, str]) -> bytes:
    """A scanner's log: rule, path, message."""
    results = [
        {
            "ruleId": rule,
            "message": {"text": message},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": path}}}],
        }
        for rule, path, message in found
    ]
    return json.dumps({"version": "2.1.0", "runs": [{"results": results}]}).encode()


SCANNER = Gate(
    "security",
    ("sh", "-c", 'sed "s|@|$PWD|" found.json > out.sarif; exit 1'),
    kind=Kind.SECURITY,
    findings="out.sarif",
)
OLD, NEW = ("B101", "a.py", "assert used"), ("B602", "file://@/b.py", "shell=True")


def test_a_scanners_findings_count_when_they_are_new(bare: Bare) -> None:
    """As often as the base has one it is known; the scanner's own exit code says nothing."""
    before = {"found.json": sarif(OLD), "a.py": b""}

    green = judge(bare, SCANNER, before, {"found.json": sarif(OLD), "a.py": b"changed\n"})
    red = judge(bare, SCANNER, before, {"found.json": sarif(OLD, OLD, NEW), "a.py": b"changed\n"})

    assert green.passed
    assert red.output.splitlines() == ["a.py: B101: assert used (new)", "b.py: B602: shell=True (new)"]


def test_a_scanner_that_leaves_no_findings_is_red(bare: Bare) -> None:
    """Broken is not clean; nor is a link to somewhere else followed."""
    broken = Gate("security", ("sh", "-c", "echo oops; exit 2"), kind=Kind.SECURITY, findings="out.sarif")
    linked = Gate(
        "security", ("ln", "-s", "found.json", "out.sarif"), kind=Kind.SECURITY, findings="out.sarif"
    )
    before, after = {"found.json": sarif()}, {"found.json": sarif(), "a.py": b""}

    said = judge(bare, broken, before, after)

    assert not said.passed
    assert said.output.startswith("the scanner ended with 2, and left no SARIF in out.sarif")
    assert "oops" in said.output
    assert not judge(bare, linked, before, after).passed


def test_findings_that_the_tree_brings_along_are_not_the_scanners(bare: Bare) -> None:
    """Who breaks the scanner, and commits what it would have said, has not passed it."""
    broken = Gate("security", ("false",), kind=Kind.SECURITY, findings="made/out.sarif")
    after = {"made/out.sarif": sarif(), "made/kept": b"", "a.py": b""}

    said = judge(bare, broken, {"made/out.sarif": sarif()}, after)

    assert not said.passed
    assert "left no SARIF in made/out.sarif" in said.output


def test_no_link_on_the_way_to_the_findings_is_followed(bare: Bare, tmp_path: Path) -> None:
    """What is outside of the tree is nobody's finding."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "out.sarif").write_bytes(sarif())
    linked = Gate(
        "security",
        ("ln", "-s", str(tmp_path / "elsewhere"), "made"),
        kind=Kind.SECURITY,
        findings="made/out.sarif",
    )

    assert not judge(bare, linked, {"a.py": b""}, {"a.py": b"x\n"}).passed


def test_a_finding_that_names_the_checkout_is_the_same_in_another(bare: Bare) -> None:
    """Each checkout is a folder of its own; a message that says where it was is not new for that."""
    told = sarif(("B101", "a.py", "assert used in @/a.py"))
    gate = Gate(**{**vars(SCANNER), "command": ("sh", "-c", 'sed "s|@|$PWD|g" found.json > out.sarif')})

    assert judge(bare, gate, {"found.json": told}, {"found.json": told, "a.py": b"x\n"}).passed


@pytest.mark.parametrize("document", [b"", b"[]", b'{"runs": 3}', b'{"runs": [{"results": [3]}]}'])
def test_what_is_no_sarif_is_an_error(document: bytes) -> None:
    """It is told apart from a log without findings."""
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        list(parse_sarif(document))
    assert list(parse_sarif(b'{"runs": [{"results": null}, {}]}')) == []


def test_affected_tests_run_first_and_red_ends_there(bare: Bare) -> None:
    """Then all of them."""
    gate = Gate(
        "tests",
        ("sh", "-c", "echo all"),
        kind=Kind.TESTS,
        affected=("sh", "-c", 'echo "$@"; exit $CODE', "-"),
    )
    tests = {f"tests/test_{name}.py": f"import {name}\n".encode() for name in "abc"}
    before = {**tests, "a.py": b"", "b.py": b"", "c.py": b""}
    after = {**before, "a.py": b"x = 1\n"}

    def printed(code: str) -> tuple[int, list[str]]:
        (bare.hub.home / "log").unlink(missing_ok=True)
        result = judge(bare, Gate(**{**vars(gate), "env": {"CODE": code}}), before, after)
        return result.exit_code, (bare.hub.home / "log").read_text().splitlines()

    said = "tests: first the file of tests that the changes can reach"
    assert printed("0") == (0, [said, "tests/test_a.py", "all"])
    assert printed("3") == (3, [said, "tests/test_a.py"])


def said_after(bare: Bare, files: dict[str, bytes], argv: tuple[str, ...]) -> GateResult:
    """What a gate says whose affected tests are run by that, and all by a command that is green."""
    gate = Gate("tests", ("sh", "-c", "echo all"), kind=Kind.TESTS, affected=argv)
    tests = {f"tests/test_{name}.py": b"" for name in "abc"}
    return judge(bare, gate, tests, {**tests, **files})


def test_files_in_which_there_is_no_test_to_run_are_not_red(bare: Bare) -> None:
    """It ends with 5 where it collects none, as where all are deselected: that says nothing yet."""
    result = said_after(bare, {"tests/test_new.py": b"x = 1\n"}, ("python3", "-m", "pytest", "-q"))

    assert (result.exit_code, result.output) == (0, "all\n")


def test_no_name_of_a_test_is_taken_for_an_option(bare: Bare) -> None:
    """Whoever makes a file does not say how tests are run."""
    printed = ("sh", "-c", 'printf "%s\\n" "$@"; exit 3', "-")

    assert said_after(bare, {"-x_test.py": b""}, printed).output == "./-x_test.py\n"


def test_a_submodule_that_is_named_like_a_test_is_none(bare: Bare) -> None:
    """There is nothing of it here to read."""
    base = bare.commit({f"test_{name}.py": b"" for name in "abc"})
    listing = bare.hub.git.run("ls-tree", base) + f"160000 commit {'1' * 40}\ttest_d.py\n".encode()
    tree = bare.hub.git.run("mktree", "--missing", stdin=listing).decode().strip()

    assert affected_tests(Ground(bare.hub, tree, base, SubprocessLauncher())) == []


def test_so_many_affected_tests_that_no_command_takes_them_run_with_all(bare: Bare) -> None:
    """A system bounds what a command is told."""
    folder = "deep/" * 40
    before = {f"{folder}test_{number}.py": b"" for number in range(1500)}
    after = {**before, **{f"{folder}test_{number}.py": b"import os\n" for number in range(600)}}
    base = bare.commit(before)

    assert affected_tests(Ground(bare.hub, bare.commit(after, base), base, SubprocessLauncher())) == []


def test_where_most_tests_are_affected_all_run_at_once(bare: Bare) -> None:
    """Two runs would only take longer."""
    before = {"a.py": b"", "test_a.py": b"import a\n", "test_b.py": b"import a\n", "test_c.py": b""}
    base = bare.commit(before)
    tip = bare.commit({**before, "a.py": b"x = 1\n"}, base)

    assert affected_tests(Ground(bare.hub, tip, base, SubprocessLauncher())) == []


def test_what_has_passed_already_affects_nothing(bare: Bare) -> None:
    """The tests of a train are those of its own changes, not of all that landed since the base."""
    before = {"a.py": b"", **{f"test_{name}.py": f"import {name}\n".encode() for name in "abcd"}}
    base = bare.commit(before)
    passed = bare.commit({**before, "a.py": b"x = 1\n"}, base)
    tip = bare.commit({**before, "a.py": b"x = 1\n", "b.py": b""}, passed)
    ground = Ground(bare.hub, tip, base, SubprocessLauncher(), since=passed)

    assert affected_tests(ground) == ["test_b.py"]


SOURCES = {
    "src/pkg/__init__.py": b"",
    "src/pkg/core.py": b"import os\n",
    "src/pkg/api.py": b"from . import core\n",
    "src/pkg/deep/__init__.py": b"",
    "src/pkg/deep/leaf.py": b"from ..api import serve\nfrom ...outside import x\n",
    "src/pkg/alone.py": b"def broken(:\n",
    "tests/conftest.py": b"import pkg.alone\n",
    "tests/unit/test_leaf.py": b"def test():\n    import pkg.deep.leaf as leaf\n",
    "tests/unit/test_api.py": b"from pkg import api\n",
    "tests/unit/test_none.py": b"import os\n",
    "other/test_far.py": b"",
}


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ("src/pkg/core.py", {"test_leaf", "test_api"}),  # through the api, by relative imports
        ("src/pkg/deep/leaf.py", {"test_leaf"}),
        ("src/pkg/gone.py", set()),
        ("src/pkg/__init__.py", {"test_leaf", "test_api", "test_none"}),  # the conftest imports it
        ("src/pkg/alone.py", {"test_leaf", "test_api", "test_none"}),
        ("tests/conftest.py", {"test_leaf", "test_api", "test_none"}),
        ("tests/unit/test_none.py", {"test_none"}),
        ("README.md", set()),
    ],
)
def test_what_a_change_can_reach(changed: str, tests: set[str]) -> None:
    """By imports of any form; what cannot be parsed imports nothing."""
    found = reachable_from([changed], SOURCES)

    assert {Path(path).stem for path in found if Path(path).name.startswith("test_")} == tests


def test_what_was_parsed_is_not_kept() -> None:
    """A merge queue that lives for weeks sees thousands of versions, and needs their imports alone."""
    tracemalloc.start()
    try:
        for number in range(30):
            reachable_from([], {"a.py": b"import os\n# %d" % number + b"x" * 1_000_000})
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert kept < 5_000_000


def test_who_imports_what_is_gone_is_reached() -> None:
    """Its name is still imported: that test is the first to know."""
    assert reachable_from(["src/lost.py"], {"test_a.py": b"import lost\n"}) == {"test_a.py"}


def test_slower_beyond_chance_and_threshold_is_red() -> None:
    """The least ratio of seven pairs is a lower bound with more than 95 % confidence."""
    slower = [(1.0, 1.2 + 0.01 * n) for n in range(7)]
    one_lucky = [*slower[:6], (1.0, 1.05)]

    assert judge_pairs(slower, 0.1)[1]
    assert not judge_pairs(one_lucky, 0.1)[1]
    assert not judge_pairs(slower, 0.25)[1]
    assert "at least 1.200 with 95 % confidence, allowed 1.100" in judge_pairs(slower, 0.1)[0]


@pytest.mark.parametrize("runs", [5, 7, 11, 20, 100])
def test_noise_alone_is_seldom_red(runs: int) -> None:
    """Of 2,000 comparisons of equally fast programs fewer than one in twenty, whatever the noise is like."""
    chance = random.Random(7)

    def noisy() -> float:
        return 1 + chance.expovariate(2)

    red = sum(judge_pairs([(noisy(), noisy()) for _ in range(runs)], 1e-9)[1] for _ in range(2000))

    assert red <= 0.05 * 2000 * 1.2


PERFORMANCE = Gate(
    "performance", ("sh", "-c", "cat number"), kind=Kind.PERFORMANCE, runs=5, measure="output", threshold=0.1
)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("100", "105", ""),
        ("100", "50", ""),
        ("100", "115", "at least 1.150"),
        ("100", "none", "its last line is no number above 0: 'none'"),
        ("100", "-1", "its last line is no number above 0"),
        ("none", "7", ""),  # nothing to compare with
    ],
)
def test_a_measure_is_compared_with_the_bases(bare: Bare, before: str, after: str, said: str) -> None:
    """More is slower; what cannot be measured is red, where the base could be."""
    result = judge(bare, PERFORMANCE, {"number": before.encode()}, {"number": after.encode()})

    assert result.passed == (not said)
    assert said in result.output


def test_a_benchmark_that_fails_is_red(bare: Bare) -> None:
    """With its own exit code; on the base itself only that is asked."""
    gate = Gate("performance", ("sh", "-c", "exit $(cat code)"), kind=Kind.PERFORMANCE, runs=5)
    base = bare.commit({"code": b"0"})
    ground = Ground(bare.hub, base, base, SubprocessLauncher())

    assert judge(bare, gate, {"code": b"0"}, {"code": b"4"}).exit_code == 4
    assert run_gates([gate], ground).passed


def test_a_measure_without_one_of_the_base_says_that_it_compared_nothing(bare: Bare) -> None:
    """And why; one that is red has other things to say."""
    failing = Gate("performance", ("sh", "-c", "exit $(cat code)"), kind=Kind.PERFORMANCE, runs=5)

    unmeasured = judge(bare, PERFORMANCE, {"number": b"none"}, {"number": b"7"})
    failed = judge(bare, failing, {"code": b"4"}, {"code": b"0"})

    why = "compared nothing: on the base: "
    assert (unmeasured.passed, failed.passed) == (True, True)
    assert unmeasured.note == f"{why}its last line is no number above 0: 'none'"
    assert failed.note == f"{why}exit code 4"
    assert judge(bare, PERFORMANCE, {"number": b"7"}, {"number": b"7", "a": b""}).note == ""
    assert judge(bare, failing, {"code": b"4"}, {"code": b"3"}).note == ""


def test_a_file_of_the_first_lines_of_keys_is_judged_like_any(bare: Bare) -> None:
    """Each was taken with all lines after it: gigabytes."""
    first = b"-----BEGIN RSA " + b"PRIVATE KEY-----\n"

    tracemalloc.start()
    red = judge(bare, SECURITY, {"a": b""}, {"a": first * 20_000})
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert not red.passed
    assert most < 100_000_000


@pytest.mark.parametrize(("failures", "note"), [(2, ""), (3, "compared nothing: on the base: exit code 4")])
def test_a_measure_that_fails_now_and_then_is_taken_again(
    bare: Bare, tmp_path: Path, failures: int, note: str
) -> None:
    """Two failures in a row end no comparison, and blame nobody; three do."""
    runs = tmp_path / "runs"
    # The base's first runs fail: it comes first.
    script = f"echo >>{runs}; [ $(wc -l <{runs}) -gt {failures} ] || exit 4; cat number"
    flaky = replace(PERFORMANCE, command=("sh", "-c", script))

    assert judge(bare, flaky, {"number": b"7"}, {"number": b"7", "a": b""}).note == note
    runs.unlink()
    assert judge(bare, flaky, {"number": b"7"}, {"number": b"14"}).passed == bool(note)


@pytest.mark.parametrize(("failures", "exit_code"), [(2, 0), (3, 4)])
def test_a_benchmark_that_runs_alone_may_fail_now_and_then_too(
    bare: Bare, tmp_path: Path, failures: int, exit_code: int
) -> None:
    """Where nothing is compared one failure is no verdict either; three in a row are."""
    runs = tmp_path / "runs"
    script = f"echo >>{runs}; [ $(wc -l <{runs}) -gt {failures} ] || exit 4"
    flaky = replace(PERFORMANCE, command=("sh", "-c", script))

    result = judge(bare, flaky, {"a": b""}, {"a": b""})

    assert result.exit_code == exit_code
    assert result.note == ("" if exit_code else "compared nothing: the base has the same tree")


def test_a_measure_that_takes_too_long_is_not_taken_again(bare: Bare, tmp_path: Path) -> None:
    """It would take thrice as long to say the same."""
    runs = tmp_path / "runs"
    script = f"echo >>{runs}; sleep $(cat seconds)"
    slow = replace(PERFORMANCE, command=("sh", "-c", script), measure="time", timeout_s=0.5)

    result = judge(bare, slow, {"seconds": b"0"}, {"seconds": b"60"})

    assert str(result) == "performance: timed out after 0.5 s"
    assert len(runs.read_text()) == 2


def test_a_share_of_trees_is_sampled_always_the_same() -> None:
    """So that a tree that comes again is judged as before."""
    gate = Gate("slow", ("true",), sample=0.25)
    trees = [f"{number:040x}" for number in range(2000)]

    drawn = [tree for tree in trees if is_sampled(gate, tree)]

    assert 0.2 * 2000 < len(drawn) < 0.3 * 2000
    assert all(is_sampled(gate, tree) for tree in drawn)
    assert all(is_sampled(Gate("all", ("true",)), tree) for tree in trees)


def test_a_table_says_what_its_kind_needs(bare: Bare) -> None:
    """By its name, or by `kind`."""
    text = b"""
    [gate.conflicts]
    [gate.security]
    command = ["bandit"]
    findings = "out.sarif"
    allow = ["tests/"]
    [gate.speed]
    kind = "performance"
    command = ["bench"]
    threshold = 0.05
    runs = 11
    measure = "output"
    [gate.tests]
    command = ["pytest"]
    affected = ["pytest"]
    sample = 0.5
    """
    commit = bare.commit({"swarm.toml": text})

    conflicts, security, speed, tests = load_gates(bare.hub, commit)

    assert (conflicts.kind, conflicts.command) == (Kind.CONFLICTS, ())
    assert (security.findings, security.allow) == ("out.sarif", ("tests",))
    assert (speed.kind, speed.threshold, speed.runs, speed.measure) == (Kind.PERFORMANCE, 0.05, 11, "output")
    assert (tests.affected, tests.sample) == (("pytest",), 0.5)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[gate.a]\ncommand = ['a']\nkind = 'b'", "gate.a.kind must be one of command, tests"),
        ("[gate.conflicts]\ncommand = ['a']", "gate.conflicts.command must be left out"),
        ("[gate.security]\ncommand = ['a']", "gate.security.findings must be given with a command"),
        ("[gate.security]\nfindings = 'a'", "gate.security.findings must be given with a command"),
        ("[gate.security]\ncommand = ['a']\nfindings = '/tmp/a'", "gate.security.findings must be the path"),
        ("[gate.security]\ncommand = ['a']\nfindings = '../a'", "gate.security.findings must be the path"),
        ("[gate.security]\ncommand = ['a']\nfindings = '*.sarif'", "gate.security.findings must be the path"),
        ("[gate.security]\nallow = ['../a']", "gate.security.allow must be a list of paths"),
        ("[gate.performance]\nruns = 7", "gate.performance.command must be"),
        ("[gate.performance]\ncommand = ['a']\nruns = 4", "runs must be a whole number from 5 to 100, got 4"),
        ("[gate.performance]\ncommand = ['a']\nthreshold = -1", "threshold must be a share above 0"),
        ("[gate.performance]\ncommand = ['a']\nmeasure = 'speed'", "measure must be 'time' or 'output'"),
        ("[gate.tests]\ncommand = ['a']\naffected = 'a'", "gate.tests.affected must be a list of strings"),
        ("[gate.a]\ncommand = ['a']\naffected = ['a']", "unknown key gate.a.affected"),
        ("[gate.a]\ncommand = ['a']\nsample = 1.5", "gate.a.sample must be a share above 0 and up to 1"),
    ],
)
def test_a_kinds_mistakes_are_named(bare: Bare, text: str, what: str) -> None:
    """With the key, and what it must be."""
    commit = bare.commit({"swarm.toml": text.encode()})

    with pytest.raises(ConfigError, match=what):
        load_gates(bare.hub, commit)
