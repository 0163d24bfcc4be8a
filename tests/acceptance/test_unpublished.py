"""A branch that is not where it belongs: every report says so."""

import json

from real_swarm import Swarm, write_task


def test_a_report_says_that_its_branch_is_not_published(swarm: Swarm) -> None:
    """What has the branch's name in the user's repository is somebody else's: no hint may lead there."""
    run = str(swarm.json("run", swarm.plan([write_task("one")]), "-y")["run"])
    branch = f"swarm/{run}"
    published = swarm.call("report", run).stdout
    own = swarm.git("commit-tree", "-m", "mine", "HEAD^{tree}").strip()
    swarm.git("update-ref", f"refs/heads/{branch}", own)

    text, md = swarm.call("report", run).stdout, swarm.call("report", run, "--format", "md").stdout
    data = json.loads(swarm.call("report", run, "--json").stdout)

    said = f"branch '{branch}' is at {own[:12]} in this repository, which does not hold what landed"
    assert "not published" not in published
    assert f"not published: {said}\n  swarm wait {run}\n" in text
    assert "git diff" not in text
    assert f"**Not published**: branch '{branch}' is at" in md
    assert data["unpublished"] == said


def test_a_branch_that_a_killed_git_has_locked_is_told_and_published_once_that_is_away(swarm: Swarm) -> None:
    """The run is whole in the hub: its verdict says which file is in the way, and for whom it waits."""
    run = str(swarm.json("run", swarm.plan([write_task("one")]), "-y")["run"])
    ref = f"refs/heads/swarm/{run}"
    tip = swarm.git("rev-parse", ref).strip()
    swarm.git("update-ref", "-d", ref)
    lock = swarm.root / ".git" / f"{ref}.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.touch()

    locked = swarm.call("wait", run)
    lock.unlink()
    free = swarm.call("wait", run)

    assert (locked.returncode, free.returncode) == (9, 0)
    assert f"not published: branch 'swarm/{run}' is locked by '{lock}'" in locked.stderr + locked.stdout
    assert swarm.git("rev-parse", ref).strip() == tip


def test_a_ref_that_a_power_cut_has_emptied_is_named(swarm: Swarm) -> None:
    """Beside it git writes no branch, and blames where it fetches from."""
    run = str(swarm.json("run", swarm.plan([write_task("one")]), "-y")["run"])
    ref = f"refs/heads/swarm/{run}"
    swarm.git("update-ref", "-d", ref)
    broken = swarm.root / ".git/refs/heads/zzz"
    broken.touch()

    waited, landed = swarm.call("wait", run), swarm.call("land", run, "--into", "new")
    own = swarm.root / ".git" / ref
    own.parent.mkdir(exist_ok=True)
    broken.rename(own)
    its_own = swarm.call("wait", run)
    own.unlink()

    assert (waited.returncode, landed.returncode, its_own.returncode) == (9, 6, 9)
    assert f"{ref} of this repository is broken" in its_own.stderr + its_own.stdout
    assert "refs/heads/zzz of this repository is broken" in waited.stderr + waited.stdout
    assert "mend or remove .git/refs/heads/zzz, then land again" in landed.stderr
    assert swarm.call("land", run, "--into", "new").returncode == 0
