"""What `swarm init` writes: a swarm.toml whose gate fits what the repository looks like."""

import json
import os
from fnmatch import fnmatch
from pathlib import Path

import tomlkit

_COMPILE = ("python3", "-m", "compileall", "-q", ".")
_PASSED_OVER = frozenset({"node_modules", "venv", "__pycache__"})

_GATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pytest.ini", ("python3", "-m", "pytest", "-q")),
    ("conftest.py", ("python3", "-m", "pytest", "-q")),
    ("tests/conftest.py", ("python3", "-m", "pytest", "-q")),
    ("package.json", ("npm", "test", "--silent")),
    ("Cargo.toml", ("cargo", "test", "--quiet")),
    ("go.mod", ("go", "test", "./...")),
    ("pom.xml", ("mvn", "-q", "test")),
    ("build.gradle", ("gradle", "test")),
    ("pyproject.toml", ("python3", "-m", "pytest", "-q")),
    ("setup.py", ("python3", "-m", "unittest")),
    ("Makefile", ("make", "test")),
)
"""A file that tells the kind of repository, and the command that tests such a one; the first wins."""


_WITHOUT_COMMAND = {
    "conflicts": "what changed holds no marker of a conflict",
    "security": "no line that is new looks like a secret",
}
"""Kinds of gates that need to know nothing of the repository -> what they see to."""


def starter_config(root: Path) -> tuple[str, list[str]]:
    """The text of a first swarm.toml, and the gate's argv (empty when nothing was recognised)."""
    command = next((list(argv) for marker, argv in _GATES if (root / marker).exists()), [])
    lacks_tests = not {"pytest", "unittest"}.isdisjoint(command) and not _has_python_test(root)
    runner, command = command, list(_COMPILE) if lacks_tests else command
    document = tomlkit.document()
    document.add(tomlkit.comment("Settings of swarm; `swarm config show` lists all of them."))
    document.add(tomlkit.comment("workers = 4"))
    document.add(tomlkit.nl())
    document.add(tomlkit.comment("What must pass on the merged tree before an attempt lands. Read from the"))
    document.add(tomlkit.comment("commit that a run starts from, so no task can weaken it."))
    gate = tomlkit.table()
    gate.add("command", command or ["make", "test"])
    gate.add("timeout_s", 1800)
    if any((root / "src").glob("*/__init__.py")):
        environment = tomlkit.inline_table()
        environment.update({"PYTHONPATH": "src"})  # or an installed copy would be tested
        gate.add("env", environment)
    if "pytest" in command:
        gate.add("affected", command)
        gate["affected"].comment("run first, on the test files that a change can reach")
    gates = tomlkit.table(is_super_table=True)
    gates.add("tests", gate)
    for kind, does in _WITHOUT_COMMAND.items():
        gates.add(kind, tomlkit.table())
        gates[kind].comment(does)
    if not command:
        document.add(
            tomlkit.comment("Nothing here was recognised: put the command that tests this repository.")
        )
    if lacks_tests:
        document.add(tomlkit.comment("There is no test yet, so this only compiles. Once there is one, put:"))
        document.add(tomlkit.comment(f"command = {json.dumps(runner)}"))
    document.add("gate", gates)
    return tomlkit.dumps(document), command


def _has_python_test(root: Path) -> bool:
    """A file that pytest or unittest would take for one of tests; without any, pytest is red."""
    for _, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _PASSED_OVER and not name.startswith(".")]
        if any(fnmatch(name, "test*.py") or fnmatch(name, "*_test.py") for name in names):
            return True
    return False
