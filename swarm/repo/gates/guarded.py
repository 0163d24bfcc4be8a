"""Paths whose change a person has to approve: what judges attempts, and what steers agents.

The base's `swarm.toml` adds to them and takes from them::

    [approval]
    paths = ["deploy/**"]     # these too
    trusted = ["uv.lock"]     # these need nobody's approval
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from swarm.plan.scope import PatternError, WriteScope, literal_prefix, normalise_pattern
from swarm.repo.gates.definitions import load_gates
from swarm.repo.git.paths import shown
from swarm.repo.git.tree import EXECUTABLE, REGULAR, SYMLINK, read_entries
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.project_file import read_table, wrong
from swarm.sandbox.git_names import HFS_IGNORES
from swarm.settings import CONFIG_NAME

GUARDED: Mapping[str, tuple[str, ...]] = {
    "defines gates": (CONFIG_NAME,),
    "is a CI file": (
        ".github/workflows/**",
        ".github/actions/**",
        ".forgejo/workflows/**",
        ".gitea/workflows/**",
        ".gitlab-ci.yml",
        ".gitlab/ci/**",
        ".circleci/**",
        ".buildkite/**",
        ".woodpecker/**",
        ".woodpecker.yml",
        ".drone.yml",
        ".travis.yml",
        ".cirrus.yml",
        ".appveyor.yml",
        "appveyor.yml",
        "azure-pipelines.yml",
        "bitbucket-pipelines.yml",
        "jenkinsfile",
        ".pre-commit-config.yaml",
    ),
    # At the top, but for pytest's own, of which the nearest to the tests counts. Not pyproject.toml or
    # setup.cfg: most changes of those have nothing to do with checks.
    "configures tests or checks": (
        "**/pytest.ini",
        "**/.pytest.ini",
        "**/pytest.toml",
        "**/.pytest.toml",
        "tox.ini",
        "noxfile.py",
        "mypy.ini",
        ".mypy.ini",
        "ruff.toml",
        ".ruff.toml",
        ".flake8",
        ".pylintrc",
        "pyrightconfig.json",
        "jest.config.*",
        "vitest.config.*",
        ".mocharc.*",
        "eslint.config.*",
        ".eslintrc*",
        ".eslintignore",
        "phpunit.xml",
        "phpunit.xml.dist",
        ".rspec",
    ),
    "is a lockfile": tuple(
        f"**/{name}"
        for name in (
            "package-lock.json",
            "npm-shrinkwrap.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "bun.lock",
            "bun.lockb",
            "deno.lock",
            "poetry.lock",
            "uv.lock",
            "pdm.lock",
            "pylock.toml",
            "pipfile.lock",
            "conda-lock.yml",
            "pixi.lock",
            "cargo.lock",
            "go.sum",
            "gemfile.lock",
            "composer.lock",
            "mix.lock",
            "pubspec.lock",
            "podfile.lock",
            "package.resolved",
            "packages.lock.json",
            "gradle.lockfile",
            "flake.lock",
            ".terraform.lock.hcl",
        )
    ),
    "is an agent's settings": (
        "**/.claude/**",
        "**/claude.md",
        "**/claude.local.md",
        "**/agents.md",
        "**/gemini.md",
        "**/.mcp.json",
        "**/.cursorrules",
        "**/.cursor/**",
        ".codex/**",
        ".gemini/**",
        ".windsurf/**",
        ".windsurfrules",
        ".aider.conf.yml",
        ".github/copilot-instructions.md",
        ".github/instructions/**",
    ),
}
"""What a path is -> patterns, in lower case: they are compared with what is `folded`."""

_OF_MODULE = (".py", ".pyc", ".so", ".*.so", "/**")
"""Python takes what is in the current folder first."""
_PYTHON = re.compile(r"(?:.*/)?python[0-9.]*")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INTERPRETER = re.compile(r"(?:.*/)?(?:(?:ba|da|z|k)?sh|python[0-9.]*|node|ruby|perl|php|pwsh)")


def folded(path: str) -> str:
    """One spelling for all that some file system takes for the same path: tools would find it by any."""
    parts = HFS_IGNORES.sub("", path).casefold().split("/")
    return "/".join(part.rstrip(". ") or part for part in parts)


@dataclass(frozen=True)
class GuardedPath:
    """A path that an attempt may not change by itself, and why."""

    path: str  # as it is shown to people
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class Guarded:
    """What is guarded in one project.

    Args:
        paths: patterns that are guarded besides the usual ones.
        trusted: patterns of paths that anybody may change.
        scripts: files that gates run.
        modules: names that gates import from elsewhere; what has one at the top would run in its place.
    """

    def __init__(
        self,
        paths: tuple[str, ...] = (),
        trusted: tuple[str, ...] = (),
        scripts: Iterable[str] = (),
        modules: Iterable[str] = (),
    ) -> None:
        self._usual = [(why, _Place(patterns)) for why, patterns in GUARDED.items()]
        shadows = tuple(f"{name}{end}" for name in map(folded, modules) for end in _OF_MODULE)
        self._usual.append(("would run in place of what a gate runs", _Place(shadows)))
        self._own = _Place(tuple(map(folded, paths)))
        self._trusted = WriteScope(trusted)
        self._scripts = frozenset(map(folded, scripts))

    def find(self, changed: Iterable[str]) -> list[GuardedPath]:
        """Those of the changed paths that a person has to approve."""
        return [
            GuardedPath(shown(path.encode("utf-8", "surrogateescape")), why)
            for path in changed
            if (why := self._why(path)) and not self._trusted.covers(path)
        ]

    def _why(self, path: str) -> str:
        name = folded(path)
        usual = next((why for why, place in self._usual if place.holds(name)), "")
        if not usual and name in self._scripts:
            return "is what a gate runs"
        return usual or ("is guarded by [approval]" if self._own.holds(name) else "")


class _Place:
    """What patterns cover, and the names of the folders above: a link there would stand for all below it."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._scope = WriteScope(patterns)
        prefixes = [literal_prefix(pattern).split("/") for pattern in self._scope.patterns]
        self._above = frozenset(
            "/".join(parts[:depth]) for parts in prefixes for depth in range(1, len(parts) + 1) if parts[0]
        )

    def holds(self, path: str) -> bool:
        return path in self._above or self._scope.covers(path)


def load_guarded(hub: Hub, commit: str) -> Guarded:
    """What is guarded by a commit's own word.

    Raises:
        ConfigError: `[approval]` or a gate is malformed; names the key.
    """
    table = read_table(hub, commit, "approval")
    commands = [argv for gate in load_gates(hub, commit) for argv in (gate.command, gate.affected)]
    return Guarded(
        _patterns(table, "paths"),
        _patterns(table, "trusted"),
        _scripts_of_gates(hub, commit, commands),
        _modules_from_elsewhere(hub, commit, commands),
    )


def _modules_from_elsewhere(hub: Hub, commit: str, commands: Iterable[Sequence[str]]) -> list[str]:
    """What gates run by `python -m`, such as `pytest`, that is not in the commit itself."""
    names = {name for argv in commands if (name := _module_of(argv))}
    places = {
        name: [f"{name}{end}".encode() for end in (".py", "/__init__.py", "/__main__.py")] for name in names
    }
    known = (
        read_entries(hub.git, commit, [path for each in places.values() for path in each]) if names else {}
    )
    return sorted(name for name, paths in places.items() if not known.keys() & set(paths))


def _module_of(argv: Sequence[str]) -> str:
    """The top package of what comes after the first `-m` of a Python; empty without one."""
    python = next((at for at, word in enumerate(argv) if _PYTHON.fullmatch(word)), len(argv))
    name = next((word for flag, word in pairwise(argv[python:]) if flag == "-m"), "").partition(".")[0]
    return name if _MODULE.fullmatch(name) else ""


def _scripts_of_gates(hub: Hub, commit: str, commands: Iterable[Sequence[str]]) -> list[str]:
    """The files of a commit that its gates' commands run: executable ones, and what an interpreter gets.

    What else a command names is what it looks at, such as a file of tests.
    """
    named = {path: is_run for argv in commands for path, is_run in _named_by(argv)}
    places = [os.fsencode(path) for path in named]
    entries = read_entries(hub.git, commit, places) if places else {}
    return [
        path
        for path, is_run in named.items()
        if (entry := entries.get(os.fsencode(path)))
        and (entry.mode == EXECUTABLE or (is_run and entry.mode in {REGULAR, SYMLINK}))
    ]


def _named_by(argv: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """What may be paths among a command's words, and whether an interpreter comes before."""
    words = [word for word in argv if not word.startswith("-")]
    for before, word in pairwise(["", *words]):
        path = word.removeprefix("./")
        if path and not path.startswith("/") and ".." not in path.split("/"):
            yield path, bool(_INTERPRETER.fullmatch(before))


def _patterns(table: Mapping[str, object], key: str) -> tuple[str, ...]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise wrong(f"approval.{key}", "a list of paths or globs", found)
    try:
        return tuple(map(normalise_pattern, found))
    except PatternError as error:
        raise wrong(f"approval.{key}", "a list of paths or globs", found) from error
