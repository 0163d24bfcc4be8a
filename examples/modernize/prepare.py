"""Make a git repository of click 8.1.8's source package, with swarm's gate in it.

Usage: python examples/modernize/prepare.py DIR

The commit is the same on every machine: pinned archive, fixed author, fixed date.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENT = "click==8.1.8"
ARCHIVE = "click-8.1.8.tar.gz"
SHA256 = "ed53c9d8990d83c2a27deae68e4ee337473f6330c040a31d4225c9574d16096a"
HERE = Path(__file__).resolve().parent
GIT = (
    *("env", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"),
    *("GIT_AUTHOR_DATE=2024-12-21T18:00:00Z", "GIT_COMMITTER_DATE=2024-12-21T18:00:00Z"),
    *("git", "-c", "user.name=example", "-c", "user.email=example@example.invalid"),
)


def prepare(target: Path) -> str:
    """Fetch, unpack and commit; return the commit. `target` must be empty or absent."""
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        sys.exit(f"{target}: is not empty; give a new folder")
    with tempfile.TemporaryDirectory() as folder:
        archive = fetch(Path(folder))
        run("tar", "-xzf", str(archive), "-C", str(target), "--strip-components=1", "--no-same-owner")
    shutil.copy(HERE / "swarm.toml", target / "swarm.toml")
    run(*GIT, "init", "--quiet", "--initial-branch=main", str(target))
    run(*GIT, "-C", str(target), "add", "--all", "--force")
    run(*GIT, "-C", str(target), "commit", "--quiet", "-m", "Import click 8.1.8")
    return run(*GIT, "-C", str(target), "rev-parse", "HEAD").strip()


def fetch(folder: Path) -> Path:
    """Download the source package with pip and check it against the pinned digest."""
    run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "click"),
        *("--dest", str(folder), REQUIREMENT),
    )
    archive = folder / ARCHIVE
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{ARCHIVE}: sha256 is {found}, expected {SHA256}; do not use it")
    return archive


def run(*argv: str) -> str:
    """Run a command; end with its own words when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004  # the script and DIR
        sys.exit(__doc__)
    commit = prepare(Path(sys.argv[1]))
    sys.stdout.write(f"{sys.argv[1]}: click 8.1.8 at {commit[:12]}\n")
