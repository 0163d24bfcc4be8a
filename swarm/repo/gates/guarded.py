"""Paths whose change a person has to approve: what judges attempts, and what steers agents.

The base's `swarm.toml` adds to them and takes from them::

    [approval]
    paths = ["deploy/**"]     # these too
    trusted = ["uv.lock"]     # these need nobody's approval
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swarm.plan.scope import PatternError, WriteScope, literal_prefix, normalise_pattern
from swarm.repo.gates.commands import modules_from_elsewhere, scripts_of
from swarm.repo.gates.definitions import load_gates
from swarm.repo.git.paths import shown
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
        scripts_of(hub, commit, commands),
        modules_from_elsewhere(hub, commit, commands),
    )


def _patterns(table: Mapping[str, object], key: str) -> tuple[str, ...]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise wrong(f"approval.{key}", "a list of paths or globs", found)
    try:
        return tuple(map(normalise_pattern, found))
    except PatternError as error:
        raise wrong(f"approval.{key}", "a list of paths or globs", found) from error
