"""Opening a pull request by the program of a forge, as the user would: with the user's own login."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from swarm.errors import RefusedError, UsageError

TIMEOUT_S = 300.0


def find_forge() -> str:
    """`gh` or `glab`, whichever is on PATH first.

    Raises:
        UsageError: neither is.
    """
    for name in ("gh", "glab"):
        if shutil.which(name):
            return name
    raise UsageError(
        "neither gh nor glab is on PATH",
        hint="install one and log in, or paste what `swarm pr` prints without --open",
    )


def open_request(
    forge: str, repository: Path, *, branch: str, into: str, title: str, body: str, remote: str
) -> str:
    """Push the branch and open a request for it; returns its address.

    Args:
        forge: `gh` or `glab`.
        repository: the user's, which has the branch.
        branch: what is to be merged.
        into: where to; empty is the forge's default branch.
        title: of the request.
        body: Markdown.
        remote: where the branch is pushed to; never forced.

    Raises:
        UsageError: the repository has no such remote.
        RefusedError: the push or the program failed; its own words are in the message.
    """
    known = _run(["git", "remote"], repository).split()
    if remote not in known:
        raise UsageError(
            f"this repository has no remote {remote!r}",
            hint=f"known: {', '.join(known)}; choose one with --remote"
            if known
            else "`git remote add` names one; or paste what `swarm pr` prints without --open",
        )
    _run(["git", "push", "--quiet", remote, f"refs/heads/{branch}:refs/heads/{branch}"], repository)
    with tempfile.NamedTemporaryFile("w", suffix=".md", encoding="utf-8") as file:
        file.write(body)
        file.flush()
        if forge == "gh":
            argv = ["gh", "pr", "create", "--head", branch, "--title", title, "--body-file", file.name]
            argv += ["--base", into] if into else []
        else:
            argv = ["glab", "mr", "create", "--yes", "--source-branch", branch, "--title", title]
            argv += ["--description", body, *(["--target-branch", into] if into else [])]
        said = _run(argv, repository)
    addresses = [word for word in said.split() if word.startswith(("https://", "http://"))]
    return addresses[-1] if addresses else said.strip()


def _run(argv: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RefusedError(f"{argv[0]} {argv[1]} did not end within {TIMEOUT_S:g} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise RefusedError(
            f"{' '.join(argv[:3])} failed with exit code {done.returncode}: {said[-500:]}",
            hint="nothing was opened; mend it and say `swarm pr --open` again",
        )
    return done.stdout.decode("utf-8", "replace")
