"""`swarm diff` for the person who has to decide: a conflict from both sides, and where an edit would land."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bare_hub import Bare

from swarm.engine.claims import Failure
from swarm.plan.model import TaskSpec
from swarm.repo.git.trailers import landing_message
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub
from swarm.states import FailureKind

Swarm = Callable[..., Any]
Task = Callable[..., TaskSpec]


@pytest.fixture
def bare(folder: Path) -> Bare:
    """The project's hub, empty."""
    return Bare(Hub.open_or_create(folder / ".swarm" / "repo.git"))


def test_the_sides_of_a_conflict_are_shown(swarm: Swarm, bench: Any, task: Task, bare: Bare) -> None:
    """What each was for, what each did, and the lines that both began with."""
    run = bench.submit(task("mine"), task("other"))
    base = bare.commit({"a.py": b"one\ntwo\nthree\n"})
    changed = bare.commit({"a.py": b"one\nTHEIRS\nthree\n"}, base)
    with Workbench(bare.hub.path) as workbench:
        message = landing_message(run, task("other"), 1, 5).encode()
        tip = workbench.commit(workbench.tree_of(changed), base, message)
    bare.hub.create_refs({f"refs/heads/swarm/{run}": tip})
    attempt = bare.commit({"a.py": b"one\nMINE\nthree\n"}, base)
    claim = bench.claim()
    bench.engine.hand_in(claim, commit=attempt)

    own = swarm("diff", "mine", "--json").json()
    told, data = swarm("diff", "mine", "--sides").out, swarm("diff", "mine", "--sides", "--json").json()

    assert (data["commit"], data["tip"], data["paths"], data["landed"]) == (
        attempt,
        tip,
        ["a.py"],
        ["other: Do other"],
    )
    # Made from another commit than its claim's, as one is that was put back: what it changed is its own.
    assert (own["base"], own["landed"]) == (base, False)
    assert "+MINE" in own["patch"]
    assert "THEIRS" not in own["patch"]
    assert "+THEIRS" in data["ours"]
    assert "+MINE" in data["theirs"]
    for line in ("# What 'mine' was to do", "Do mine", "other: Do other", "+THEIRS", "+MINE", "+||||||| "):
        assert any(one.startswith(line) for one in told.splitlines()), line
    assert "\n+two\n" in told  # what both began with, in the hunk


def test_where_nothing_conflicts_the_next_step_is_named(
    swarm: Swarm, bench: Any, task: Task, bare: Bare
) -> None:
    """No attempt, and one that fits."""
    run = bench.submit(task("mine"))
    none = swarm("diff", "mine", "--sides")
    base = bare.commit({"a.py": b"one\n"})
    bare.hub.create_refs({f"refs/heads/swarm/{run}": base})
    bench.engine.hand_in(bench.claim(), commit=bare.commit({"a.py": b"two\n"}, base))
    fits = swarm("diff", "mine", "--sides")

    assert (none.code, fits.code) == (2, 2)
    assert "no attempt of task 'mine' is kept\nhelp: `swarm why mine`" in none.err
    assert f"does not conflict with 'swarm/{run}' as it is now\nhelp: `swarm diff mine --attempt`" in fits.err


def test_where_a_followed_edit_would_land_is_said_before_it_is_approved(
    swarm: Swarm, bench: Any, task: Task, bare: Bare
) -> None:
    """The patch has the old name; what a person says yes to is a change of the new one."""
    run = bench.submit(task("pin"))
    lines = [f"line {number}\n" for number in range(20)]
    base = bare.commit({"old.yml": "".join(lines).encode(), "other.txt": b"a\n"})
    moved = bare.commit({"ci/new.yml": "".join(lines).encode(), "other.txt": b"a\n"}, base)
    attempt = bare.commit({"old.yml": "".join([*lines[:-1], "MINE\n"]).encode(), "other.txt": b"b\n"}, base)
    bare.hub.create_refs({f"refs/heads/swarm/{run}": base})
    bench.engine.hand_in(bench.claim(), commit=attempt)
    [ticket] = bench.engine.begin_merge("merger")
    bench.engine.send_back(ticket, Failure(FailureKind.APPROVAL, "changes ci/new.yml", retryable=False))
    before = swarm("diff", "pin", "--json").json()

    bare.hub.create_refs({f"refs/heads/swarm/{run}": moved})
    told, data = swarm("diff", "pin").out, swarm("diff", "pin", "--json").json()

    assert before["lands_in"] == {}
    assert data["lands_in"] == {"old.yml": "ci/new.yml"}
    assert told.startswith("would land in ci/new.yml: that is what old.yml is called now\n")
    assert "+MINE" in told
