"""Opening a pull request by the program of a forge, as the user would: with the user's own login."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from swarm.errors import RefusedError, UsageError
from swarm.sandbox.processes import descendants

TIMEOUT_S = 300.0
_SHOWN = 500
"""Characters of what a program said: the end."""


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
    forge: str,
    repository: Path,
    *,
    branch: str,
    into: str,
    title: str,
    body: str,
    remote: str,
    again: str,
    timeout_s: float = TIMEOUT_S,
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
        again: the command that a person types to try again.
        timeout_s: of the push, and of the program.

    Raises:
        UsageError: the repository has no such remote.
        RefusedError: the push or the program failed, or told no address; its own words are in the message.
    """
    nothing = f"nothing was opened; mend it and say `{again}` again"
    pushed = f"branch {branch} is on {remote!r}, and no request is known"
    known = _run(["git", "remote"], repository, hint=nothing, timeout_s=timeout_s).split()
    if remote not in known:
        raise UsageError(
            f"this repository has no remote {remote!r}",
            hint=f"known: {', '.join(known)}; choose one with --remote"
            if known
            else "`git remote add` names one; or paste what `swarm pr` prints without --open",
        )
    push = ["git", "push", "--quiet", remote, f"refs/heads/{branch}:refs/heads/{branch}"]
    _run(push, repository, hint=nothing, timeout_s=timeout_s)
    with tempfile.NamedTemporaryFile("w", suffix=".md", encoding="utf-8") as file:
        file.write(body)
        file.flush()
        if forge == "gh":
            argv = ["gh", "pr", "create", "--head", branch, "--title", title, "--body-file", file.name]
            argv += ["--base", into] if into else []
        else:
            argv = ["glab", "mr", "create", "--yes", "--source-branch", branch, "--title", title]
            argv += ["--description", body, *(["--target-branch", into] if into else [])]
        hint = f"{pushed}; mend it and say `{again}` again, or open one there by hand"
        said = _run(argv, repository, hint=hint, timeout_s=timeout_s)
    addresses = [word for word in said.split() if word.startswith(("https://", "http://"))]
    if not addresses:
        look = f"{forge} {argv[1]} view {branch}"
        raise RefusedError(
            f"{' '.join(argv[:3])} ended with 0 and told no address: {_shown(said)}",
            hint=f"{pushed}; `{look}` says whether there is one",
        )
    return addresses[-1]


def _run(argv: Sequence[str], folder: Path, *, hint: str, timeout_s: float) -> str:
    """What a program printed.

    It writes into files: of a pipe nobody sees the end while something that it started holds it.

    Raises:
        RefusedError: it did not start, took too long or failed.
    """
    name = " ".join(argv[:3])
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        except OSError as error:
            raise RefusedError(f"{argv[0]} cannot be started: {error.strerror}", hint=hint) from error
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            _end(process)
            said = _shown(_read(err) or _read(out))
            raise RefusedError(f"{name} did not end within {timeout_s:g} s: {said}", hint=hint) from error
        except BaseException:
            _end(process)
            raise
        if code:
            said = _shown(_read(err) or _read(out))
            raise RefusedError(f"{name} failed with exit code {code}: {said}", hint=hint)
        return _read(out)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace").strip()


def _shown(said: str) -> str:
    return said[-_SHOWN:] or "it said nothing"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """With what it has started; it has no group of its own, or it could ask for no password."""
    for pid in [*descendants(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
