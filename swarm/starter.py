"""What `swarm init` writes: a swarm.toml whose gate fits what the repository looks like."""

import json
import os
import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

import tomlkit

_COMPILE = ("python3", "-m", "compileall", "-q", ".")
_PASSED_OVER = frozenset({"node_modules", "venv", "__pycache__"})

_PYTEST = ("python3", "-m", "pytest", "-q")
_PYTHON_TESTS = ("test*.py", "*_test.py")
"""What pytest or unittest takes for tests; without any, pytest is red."""
_TEST_TARGET = re.compile(r"^(?:[^\s:#=]+ +)*test(?: +[^\s:#=]+)* *::?(?!=)", re.MULTILINE)
_NO_NPM_TEST = "no test specified"


def _has_npm_test(package: str) -> bool:
    """A script of tests other than the one that `npm init` writes, which is red."""
    try:
        script = json.loads(package)["scripts"]["test"]
    except (ValueError, LookupError, TypeError):
        return False
    return isinstance(script, str) and _NO_NPM_TEST not in script


_GATES: tuple[tuple[str, Callable[[str], bool], tuple[str, ...]], ...] = (
    ("pytest.ini", lambda _: True, _PYTEST),
    ("conftest.py", lambda _: True, _PYTEST),
    ("tests/conftest.py", lambda _: True, _PYTEST),
    ("pyproject.toml", lambda text: "[tool.pytest" in text, _PYTEST),
    ("setup.cfg", lambda text: "[tool:pytest]" in text, _PYTEST),
    ("tox.ini", lambda text: "[pytest]" in text, _PYTEST),
    ("package.json", _has_npm_test, ("npm", "test", "--silent")),
    ("Cargo.toml", lambda _: True, ("cargo", "test", "--quiet")),
    ("go.mod", lambda _: True, ("go", "test", "./...")),
    ("pom.xml", lambda _: True, ("mvn", "-q", "test")),
    ("build.gradle", lambda _: True, ("gradle", "test")),
    ("build.gradle.kts", lambda _: True, ("gradle", "test")),
    ("pyproject.toml", lambda _: True, _PYTEST),
    ("tests/test_*.py", lambda _: True, _PYTEST),
    ("test_*.py", lambda _: True, _PYTEST),
    ("setup.py", lambda _: True, ("python3", "-m", "unittest")),
    *(
        (name, lambda text: bool(_TEST_TARGET.search(text)), ("make", "test"))
        for name in ("GNUmakefile", "makefile", "Makefile")
    ),
)
"""A file that tells the kind of repository, what it must say, and the command that tests such a one; the
first wins."""

_UNRECOGNISED = (
    "No tests were recognised here. Put the command that runs yours, or nothing does:",
    "[gate.tests]",
    'command = ["./run-tests"]',
)
_WITHOUT_COMMAND = {
    "conflicts": "what changed holds no marker of a conflict",
    "security": "no line that is new looks like a secret",
}
"""Kinds of gates that need to know nothing of the repository -> what they see to."""


def starter_config(root: Path) -> tuple[str, list[str]]:
    """The text of a first swarm.toml, and the gate's argv (empty when nothing was recognised)."""
    command = _choose_command(root)
    lacks_tests = not {"pytest", "unittest"}.isdisjoint(command) and not _has_any(root, _PYTHON_TESTS)
    runner, command = command, list(_COMPILE) if lacks_tests else command
    document = tomlkit.document()
    document.add(tomlkit.comment("Settings of swarm; `swarm config show` lists all of them."))
    document.add(tomlkit.comment("workers = 4"))
    document.add(tomlkit.nl())
    document.add(tomlkit.comment("What must pass on the merged tree before an attempt lands. Read from the"))
    document.add(tomlkit.comment("commit that a run starts from, so no task can weaken it."))
    gate = tomlkit.table()
    gate.add("command", command)
    gate.add("timeout_s", 1800)
    if any((root / "src").glob("*/__init__.py")):
        environment = tomlkit.inline_table()
        environment.update({"PYTHONPATH": "src"})  # or an installed copy would be tested
        gate.add("env", environment)
    if "pytest" in command:
        gate.add("affected", command)
        gate["affected"].comment("run first, on the test files that a change can reach")
    gates = tomlkit.table(is_super_table=True)
    if command:
        gates.add("tests", gate)
    for kind, does in _WITHOUT_COMMAND.items():
        gates.add(kind, tomlkit.table())
        gates[kind].comment(does)
    if not command:
        for line in _UNRECOGNISED:
            document.add(tomlkit.comment(line))
    if lacks_tests:
        document.add(tomlkit.comment("There is no test yet, so this only compiles. Once there is one, put:"))
        document.add(tomlkit.comment(f"command = {json.dumps(runner)}"))
    document.add("gate", gates)
    return tomlkit.dumps(document), command


def _choose_command(root: Path) -> list[str]:
    """What tests this repository, by what is there; empty when nothing is recognised."""
    for pattern, says_so, argv in _GATES:
        if any(says_so(_read(path)) for path in root.glob(pattern) if path.is_file()):
            return list(argv)
    return list(_PYTEST) if _has_any(root, ("*.py",)) else []


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _has_any(root: Path, patterns: Sequence[str]) -> bool:
    """There is such a file, at any depth."""
    for _, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _PASSED_OVER and not name.startswith(".")]
        if any(fnmatch(name, pattern) for name in names for pattern in patterns):
            return True
    return False
