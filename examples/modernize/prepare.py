"""Make a git repository of a source package, click 8.1.8 or mistune 3.1.3, with swarm's gate in it.

Usage: python examples/modernize/prepare.py DIR [click|mistune]

The commit is the same on every machine: pinned archive, fixed author, fixed date.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A source archive, as it was published."""

    name: str
    version: str
    sha256: str

    @property
    def archive(self) -> str:
        """The file's name."""
        return f"{self.name}-{self.version}.tar.gz"


PUBLISHED = (
    Package("click", "8.1.8", "ed53c9d8990d83c2a27deae68e4ee337473f6330c040a31d4225c9574d16096a"),
    Package("mistune", "3.1.3", "a7035c21782b2becb6be62f8f25d3df81ccb4d6fa477a6525b15af06539f02a0"),
)
PACKAGES = {package.name: package for package in PUBLISHED}
HERE = Path(__file__).resolve().parent
GIT = (
    *("env", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"),
    *("GIT_AUTHOR_DATE=2024-12-21T18:00:00Z", "GIT_COMMITTER_DATE=2024-12-21T18:00:00Z"),
    *("git", "-c", "user.name=example", "-c", "user.email=example@example.invalid"),
)


def prepare(target: Path, package: Package) -> str:
    """Fetch, unpack and commit; return the commit. `target` must be empty or absent."""
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        sys.exit(f"{target}: is not empty; give a new folder")
    with tempfile.TemporaryDirectory() as folder:
        archive = fetch(Path(folder), package)
        run("tar", "-xzf", str(archive), "-C", str(target), "--strip-components=1", "--no-same-owner")
    shutil.copy(HERE / f"swarm-{package.name}.toml", target / "swarm.toml")
    run(*GIT, "init", "--quiet", "--initial-branch=main", str(target))
    run(*GIT, "-C", str(target), "add", "--all", "--force")
    run(*GIT, "-C", str(target), "commit", "--quiet", "-m", f"Import {package.name} {package.version}")
    return run(*GIT, "-C", str(target), "rev-parse", "HEAD").strip()


def fetch(folder: Path, package: Package) -> Path:
    """Download the source package with pip and check it against the pinned digest."""
    run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
        *("--no-binary", package.name, "--dest", str(folder), f"{package.name}=={package.version}"),
    )
    archive = folder / package.archive
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        sys.exit(f"{package.archive}: sha256 is {found}, expected {package.sha256}; do not use it")
    return archive


def run(*argv: str) -> str:
    """Run a command; end with its own words when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3} or sys.argv[-1] not in {*PACKAGES, sys.argv[1]}:
        sys.exit(__doc__)
    chosen = PACKAGES[sys.argv[2] if len(sys.argv) > 2 else "click"]  # noqa: PLR2004  # the script and DIR
    commit = prepare(Path(sys.argv[1]), chosen)
    sys.stdout.write(f"{sys.argv[1]}: {chosen.name} {chosen.version} at {commit[:12]}\n")
