"""A real user repository and a hub that knows it."""

from pathlib import Path

import pytest

from swarm.repo.hub import Hub
from swarm.testing.repository import UserRepository, make_repository


@pytest.fixture
def user(tmp_path: Path) -> UserRepository:
    """A small repository with source, a test folder and a .gitignore."""
    return make_repository(
        tmp_path / "project",
        {
            "README.md": "hello\n",
            "src/a.py": "a = 1\n",
            "src/b.py": "b = 1\n",
            "docs/guide.md": "guide\n",
            ".gitignore": "build/\n*.log\n",
        },
    )


@pytest.fixture
def hub(user: UserRepository) -> Hub:
    """The hub of the user's repository, with HEAD imported."""
    made = Hub.open_or_create(user.path / ".swarm" / "repo.git")
    made.import_base(user.path)
    return made
