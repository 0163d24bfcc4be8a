"""What `swarm init` writes: a swarm.toml whose gate fits what the repository looks like."""

from pathlib import Path

import tomlkit

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


def starter_config(root: Path) -> tuple[str, list[str]]:
    """The text of a first swarm.toml, and the gate's argv (empty when nothing was recognised)."""
    command = next((list(argv) for marker, argv in _GATES if (root / marker).exists()), [])
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
    gates = tomlkit.table(is_super_table=True)
    gates.add("tests", gate)
    if not command:
        document.add(
            tomlkit.comment("Nothing here was recognised: put the command that tests this repository.")
        )
    document.add("gate", gates)
    return tomlkit.dumps(document), command
