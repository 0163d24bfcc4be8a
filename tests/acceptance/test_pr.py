"""`swarm pr`: what a run has landed, as a pull request."""

import os
from pathlib import Path
from typing import Any

import pytest
from real_swarm import Swarm, write_task

FAILS = write_task("two") | {"command": ["false"], "max_attempts": 1}

FORGE = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done > "{said}"
test "$1 $2" = "pr create" && cat "$8" >> "{said}"
test -e "{broken}" && {{ echo not logged in >&2; exit 4; }}
echo Creating a request
echo https://forge.example/7
"""


def forge(folder: Path, name: str) -> dict[str, str]:
    """A PATH on which a program of this name writes down what it is told, after all others."""
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(FORGE.format(said=folder / "said", broken=folder / "broken"), encoding="utf-8")
    program.chmod(0o755)
    return {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("name", ["gh", "glab"])
def test_a_run_becomes_a_pull_request(swarm: Swarm, tmp_path: Path, name: str) -> None:
    """The branch is pushed, the forge's program is told title, body and branches, its answer is printed."""
    swarm.git("init", "-q", "--bare", str(tmp_path / "origin.git"))
    swarm.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    bad = write_task("bad", files=("elsewhere.txt",)) | {"max_attempts": 1}
    plan = swarm.plan([write_task("good"), bad])
    run = str(swarm.json("run", plan, "-y", "--scope", "strict", expect=1)["run"])
    env = forge(tmp_path, name)

    shown, told = swarm.json("pr", run), swarm.call("pr", run).stderr
    opened = swarm.json("pr", run, "--open", "--into", "main", env=env)

    branch = f"swarm/{run}"
    body = str(shown["body"])
    assert (shown["url"], opened["url"]) == (None, "https://forge.example/7")
    assert "## What landed\n\n- `good` (" in body
    assert "## What did not\n\n- `bad` is failed: changed outside the write scope" in body
    assert "## What judged it, on the merged tree\n\n- `python3 -m compileall" in body
    assert shown["missing"] == ["bad"]
    assert "not in it: bad (failed)" in told
    told = (tmp_path / "said").read_text(encoding="utf-8")
    assert {branch, str(shown["title"]), "main"} <= set(told.splitlines())
    assert body in told
    assert swarm.git("rev-parse", branch) == swarm.git("ls-remote", "origin", branch).split()[0]


def test_what_keeps_a_request_from_being_opened_is_said(swarm: Swarm, tmp_path: Path) -> None:
    """Nothing has landed; no program; no such remote; a program that is not logged in."""
    swarm.json("submit", swarm.plan([write_task("one")]))
    nothing = swarm.json("pr", "latest", expect=2)
    run = str(swarm.json("run", swarm.plan([write_task("two")], "two.json"), "-y")["run"])
    env = forge(tmp_path, "gh")
    nowhere = swarm.json("pr", run, "--open", env=env, expect=2)
    swarm.git("remote", "add", "up", str(tmp_path / "nothing.git"))
    elsewhere = swarm.json("pr", run, "--open", env=env, expect=2)
    away = swarm.json("pr", run, "--open", "--remote", "up", env=env, expect=6)
    swarm.git("init", "-q", "--bare", str(tmp_path / "origin.git"))
    swarm.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    (tmp_path / "broken").touch()
    refused = swarm.json("pr", run, "--open", env=env, expect=6)
    (tmp_path / "bin/gh").write_text("#!/nowhere/sh\n")
    not_started = swarm.json("pr", run, "--open", env=env, expect=6)

    assert "has landed" in str(nothing["error"])
    assert "this repository has no remote 'origin'" in str(nowhere["error"])
    assert "known: up; choose one with --remote" in str(elsewhere["error"])
    assert "git push --quiet failed with exit code 128" in str(away["error"])
    assert "gh pr create failed with exit code 4: not logged in" in str(refused["error"])
    assert "gh cannot be started: No such file or directory" in str(not_started["error"])
    again = f"`swarm pr {run} --open --remote origin` again"
    assert f"nothing was opened; mend it and say `swarm pr {run} --open --remote up` again" in str(
        away["error"]
    )
    for error in (refused["error"], not_started["error"]):
        assert f"branch swarm/{run} is on 'origin', and no request is known; mend it and say {again}" in str(
            error
        )


def test_no_request_is_written_for_a_run_that_goes_on(swarm: Swarm) -> None:
    """As `land` does: it would pass for all that there is, and more is to land."""
    run = str(swarm.json("run", swarm.plan([write_task("one"), FAILS]), "-y", expect=1)["run"])
    swarm.json("retry", run)

    refused: dict[str, Any] = swarm.json("pr", run, expect=6)

    assert "is active: 1 of 2 tasks landed, more is to land" in refused["error"]["message"]
    assert f"swarm wait {run}" in refused["error"]["hint"]
