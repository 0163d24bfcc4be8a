"""Attempts that change gates, CI, lockfiles or agents' settings: first a person's word for that commit."""

import json
from pathlib import Path

import pytest
from merge_board import Board, task, write

from swarm.engine.claims import Claim
from swarm.errors import ConfigError
from swarm.repo.gates.guarded import GUARDED, Guarded, load_guarded
from swarm.repo.merging.approvals import approve, find_approval
from swarm.repo.merging.landing import Outcome
from swarm.states import FailureKind, TaskState


def edit_ci(board: Board) -> Claim:
    """Hand in an attempt that changes a workflow."""
    board.submit(task("ci", "**"))

    def edit(tree: Path) -> None:
        folder = tree / ".github" / "workflows"
        folder.mkdir(parents=True)
        (folder / "ci.yml").write_text("on: push\n")

    return board.hand_in(edit)


def resume(board: Board) -> Claim:
    """What a worker does with a task whose attempt was kept."""
    claim = board.claim()
    found = board.hub.find_attempt(claim.run, claim.task.id)
    assert found is not None
    board.engine.hand_in(claim, commit=found.commit)
    return claim


def test_an_attempt_at_what_is_guarded_waits_for_a_person(board: Board) -> None:
    """It is kept as it is, is charged to nobody, and nothing of it lands."""
    edit_ci(board)
    before = board.hub.tip(board.branch)

    landing = board.land()

    record = board.engine.task(board.run, "ci")
    assert landing.outcome == Outcome.UNAPPROVED
    assert landing.reason == "changes .github/workflows/ci.yml, which is a CI file"
    assert (record.state, record.failure_kind) == (TaskState.FAILED, FailureKind.APPROVAL)
    assert record.needs_person
    assert record.failures == 0
    assert board.hub.tip(board.branch) == before
    assert board.hub.find_attempt(board.run, "ci") is not None


def test_what_a_person_approves_lands_and_says_who_it_was(board: Board) -> None:
    """Without the agent: the same commit is judged as any other."""
    edit_ci(board)
    board.land()
    found = board.hub.find_attempt(board.run, "ci")
    assert found is not None

    approve(board.hub, board.run, "ci", commit=found.commit, by="Ann <ann@example.org>", message="seen")
    word = find_approval(board.hub, board.run, "ci")
    board.engine.retry(board.run, "ci")
    resume(board)
    landing = board.land()

    message = board.hub.git.run("log", "-1", "--format=%B", landing.commit).decode()
    assert word is not None
    assert (word.commit, word.by) == (found.commit, "Ann ann@example.org")
    assert landing.outcome == Outcome.LANDED
    assert "\nSwarm-Approved-By: Ann ann@example.org\n" in message
    assert board.state("ci") == TaskState.DONE
    assert find_approval(board.hub, board.run, "ci") is None  # it is in the commit's message now
    assert board.violations() == []


def test_a_word_for_one_attempt_lets_no_other_land(board: Board) -> None:
    """Whatever the agent changes afterwards was not looked at."""
    claim = edit_ci(board)
    board.land()
    approve(board.hub, board.run, "ci", commit=claim.base, by="ann")
    board.engine.retry(board.run, "ci")
    resume(board)

    landing = board.land()

    assert landing.outcome == Outcome.UNAPPROVED


def test_the_innocent_beside_it_land(board: Board) -> None:
    """It is left out of the train that it was coupled to."""
    board.submit(task("code", "src/**"), task("lock", "uv.lock"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hand_in(write("uv.lock", "version = 1\n"))

    landings = {landing.task: landing.outcome for landing in board.queue().land_train()}

    assert landings == {"code": Outcome.LANDED, "lock": Outcome.UNAPPROVED}


def test_the_base_says_what_else_is_guarded_and_what_is_not(board: Board) -> None:
    """An attempt cannot free itself: its own swarm.toml does not count."""
    board.user.commit({"swarm.toml": '[approval]\npaths = ["deploy/**"]\ntrusted = ["uv.lock"]\n'})
    board.submit(task("lock", "uv.lock"), task("deploy", "deploy/**"))
    base = board.engine.run(board.run).base

    guarded = load_guarded(board.hub, base)

    assert guarded.find(["uv.lock", "src/a.py"]) == []
    assert [str(found) for found in guarded.find(["deploy/a.yml", "deploy", "swarm.toml"])] == [
        "deploy/a.yml: is guarded by [approval]",
        "deploy: is guarded by [approval]",
        "swarm.toml: defines gates",
    ]


def test_what_a_gate_runs_is_guarded_and_what_it_looks_at_is_not(board: Board) -> None:
    """By the base's word and the base's files; a command may name whatever else."""
    folder = board.user.path
    (folder / "ci").mkdir()
    (folder / "ci/check").write_text("#!/bin/sh\n")
    (folder / "ci/check").chmod(0o755)
    gates = {
        "check": ["./ci/check", "src"],
        "tests": ["python3", "-u", "ci/tests.py", "tests/test_a.py", "tests/"],
        "shell": ["sh", "-c", "exec ci/other.sh"],
        "odd": ["ls", "", "/etc/passwd", "../x", "a\nb", "*"],
    }
    board.user.commit(
        {
            "swarm.toml": "".join(
                f"[gate.{name}]\ncommand = {json.dumps(argv)}\n" for name, argv in gates.items()
            ),
            **dict.fromkeys(("ci/tests.py", "ci/other.sh", "tests/test_a.py", "src/a.py"), ""),
        }
    )
    board.submit(task("a", "src/a.py"))
    base = board.engine.run(board.run).base

    found = load_guarded(board.hub, base).find(
        ["ci/check", "CI/Check", "ci/tests.py", "ci/other.sh", "tests/test_a.py", "src/a.py", "tests/new.py"]
    )

    assert [str(each) for each in found] == [
        "ci/check: is what a gate runs",
        "CI/Check: is what a gate runs",
        "ci/tests.py: is what a gate runs",
    ]


@pytest.mark.parametrize(
    ("command", "run"),
    [
        (["bash", "-o", "pipefail", "tools/c.sh", "src/a.py"], {"tools/c.sh"}),
        (["python3", "-W", "ignore", "-X", "dev", "tools//lint.py", "src/a.py"], {"tools/lint.py"}),
        (["perl", "-I", "lib", "tools/x.pl"], {"tools/x.pl"}),
        (["node", "--require", "./setup.js", "tools/run.js", "src/a.py"], {"setup.js", "tools/run.js"}),
        (["uv", "run", "tools/lint.py"], {"tools/lint.py"}),
        (["coverage", "run", "tools/lint.py"], {"tools/lint.py"}),
        (["uv", "run", "pytest", "src/a.py"], set()),
        (["python3", "-m", "pytest", "src/a.py"], set()),
        (["sh", "-ec", "bash tools/c.sh && ./tools/do 'src/a.py'"], {"tools/c.sh", "tools/do"}),
        (["sh", "-c", "it's not closed; bash tools/c.sh"], {"tools/c.sh"}),
        (["./link"], {"link", "tools/c.sh"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_which_words_of_a_command_are_run(board: Board, command: list[str], run: set[str]) -> None:
    """Options and their values are passed over, and what is looked at is none."""
    folder = board.user.path
    names = ["tools/c.sh", "tools/lint.py", "tools/x.pl", "tools/run.js", "setup.js", "src/a.py", "lib/y.pm"]
    (folder / "tools").mkdir()
    (folder / "tools/do").write_text("")
    (folder / "tools/do").chmod(0o755)
    (folder / "link").symlink_to("./tools/c.sh")
    board.user.commit(
        {"swarm.toml": f"[gate.x]\ncommand = {json.dumps(command)}\n", **dict.fromkeys(names, "")}
    )
    board.submit(task("a", "src/a.py"))

    found = load_guarded(board.hub, board.engine.run(board.run).base).find([*names, "tools/do", "link"])

    assert {each.path for each in found} == run


def test_what_python_would_run_in_place_of_a_gates_module_is_guarded(board: Board) -> None:
    """A `pytest.py` at the top ends `python -m pytest` with 0. The project's own modules are work as any."""
    gates = {
        "tests": ["env", "A=1", "python3", "-u", "-m", "pytest", "-m", "slow"],
        "own": ["python", "-m", "own.check"],
    }
    board.user.commit(
        {
            "swarm.toml": "".join(
                f"[gate.{name}]\ncommand = {json.dumps(argv)}\n" for name, argv in gates.items()
            ),
            "own/__init__.py": "",
        }
    )
    board.submit(task("a", "src/a.py"))
    shadows = [
        "pytest.py",
        "PyTest.py",
        "pytest",
        "pytest/__main__.py",
        "pytest.cpython-311-x86_64-linux-gnu.so",
    ]

    guarded = load_guarded(board.hub, board.engine.run(board.run).base)
    found = guarded.find(
        [*shadows, "src/pytest.py", "pytest.md", "slow.py", "own/check.py", "own/__main__.py"]
    )

    assert [str(each) for each in found] == [
        f"{path}: would run in place of what a gate runs" for path in shadows
    ]


@pytest.mark.parametrize(
    "table", ['paths = "deploy"', "trusted = [1]", 'paths = ["../x"]', "path = []"], ids=str
)
def test_a_malformed_table_is_refused(board: Board, table: str) -> None:
    """Nothing lands by a guard that was misread."""
    commit = board.user.commit({"swarm.toml": f"[approval]\n{table}\n"})
    board.hub.import_base(board.user.path)

    with pytest.raises(ConfigError, match=r"swarm\.toml.*: .*approval\.(paths?|trusted)"):
        load_guarded(board.hub, commit)


@pytest.mark.parametrize(
    "path",
    [
        "swarm.toml",
        "SWARM.TOML",
        ".github/workflows/deep/ci.yml",
        ".github",  # a link in its place leads anywhere
        ".GitHub/Workflows/ci.yml",
        ".gitlab-ci.yml",
        "Jenkinsfile",
        "web/package-lock.json",
        "Cargo.lock",
        "CLAUDE.md",
        "docs/AGENTS.md",
        "web/.claude/settings.json",
        ".mcp.json",
        "\u017fwarm.toml",  # a long s
        "docs/CLAUDE.md.",  # the dot is no part of it on Windows
        ".claude /settings.json",
        "web/.cursor/rules/x.mdc",
        "pytest.ini",
        "tests/pytest.ini",  # `pytest tests` takes it before any other
        ".pytest.toml",
        "eslint.config.mjs",
    ],
)
def test_guarded(path: str) -> None:
    """At any depth where tools look for them there, and however they are spelled."""
    assert [found.path for found in Guarded().find([path])] == [path]


@pytest.mark.parametrize(
    "path",
    [
        "src/swarm.toml",
        ".github/ISSUE_TEMPLATE/bug.md",
        "src/lock.py",
        "pyproject.toml",
        "agents.mdx",
        "conftest.py",
        "tests/tox.ini",
    ],
)
def test_not_guarded(path: str) -> None:
    """The ordinary work of agents needs nobody."""
    assert Guarded().find([path]) == []


def test_a_name_with_what_cannot_be_seen_is_guarded_and_shown() -> None:
    """On HFS+ it is the same file."""
    [found] = Guarded().find(["docs/CLAU\u200cDE.md"])

    assert str(found) == r"docs/CLAU\u200cDE.md: is an agent's settings"


def test_what_a_project_guards_is_found_however_it_is_spelled() -> None:
    """As the usual ones are; what it trusts is only what it says."""
    guarded = Guarded(("Deploy/**",), trusted=("uv.lock",))

    assert [found.path for found in guarded.find(["deploy/a", "Deploy/b", "uv.lock", "UV.lock"])] == [
        "deploy/a",
        "Deploy/b",
        "UV.lock",
    ]


def test_every_pattern_names_something() -> None:
    """Patterns are compared with paths in lower case."""
    for patterns in GUARDED.values():
        for pattern in patterns:
            path = pattern.replace("**/", "").replace("/**", "/x").replace("**", "x")
            assert pattern == pattern.lower()
            assert Guarded().find([path]), pattern
