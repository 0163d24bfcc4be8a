"""What the rules of the repository are held against."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LUA = sorted(ROOT.glob("swarm/**/*.lua"))


def name_of(path: Path) -> str:
    """The path as it is spelled in a message."""
    return path.relative_to(ROOT).as_posix()
