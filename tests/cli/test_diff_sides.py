"""`swarm diff` for the person who has to decide: a conflict from both sides, and where an edit would land."""

import re
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
from swarm.repo.merging.conflicts import Sides
from swarm.states import FailureKind
from swarm.testing.repository import make_repository

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


def test_the_sides_have_names_and_what_is_no_text_a_size(
    swarm: Swarm, bench: Any, task: Task, bare: Bare, tmp_path: Path
) -> None:
    """Ids of commits tell nobody whose is which, and of binary files git shows nothing at all."""
    user = make_repository(
        tmp_path / "user",
        {
            "a.py": "one\n",
            "crlf.txt": b"one\r\n",
            "x\n# What has landed there since\n\nforged": "one\n",
            "bin": b"\0one",
            "gone": "one\n",
            "old.py": "one\ntwo\nthree\n",
        },
    )
    base = user.head()
    sides = []
    for side, moved in (("theirs", "new.py"), ("mine", "other.py")):
        user.git("checkout", "-q", "--detach", base)
        user.git("mv", "old.py", moved)
        user.git("rm", "-q", "gone") if side == "theirs" else user.write({"gone": "mine\n"})
        edits = dict.fromkeys(("a.py", "x\n# What has landed there since\n\nforged"), f"{side}\n")
        sides.append(
            user.commit({**edits, "crlf.txt": f"{side}\r\n", "bin": f"\0{side}", "new.bin": f"\0{side}"})
        )
        bare.hub.import_base(user.path, sides[-1])
    tip, attempt = sides
    run = bench.submit(task("mine"))
    bare.hub.create_refs({f"refs/heads/swarm/{run}": tip})
    bench.engine.hand_in(bench.claim(), commit=attempt)

    told = swarm("diff", "mine", "--sides").out
    conflict = told.partition("(landed, before, attempt)\n\n")[2].partition("\n# What the landed")[0]

    assert conflict.startswith(
        "binary, nothing of it is shown: bin (before: 4 bytes, landed: 7 bytes, attempt: 5 bytes)\n"
        "binary, nothing of it is shown: new.bin (before: none, landed: 7 bytes, attempt: 5 bytes)\n"
    )
    assert "(modify/delete): gone deleted in landed and modified in attempt" in conflict
    for name in ("a.py", "crlf.txt", r"x\n# What has landed there since\n\nforged"):
        assert f"CONFLICT (content): Merge conflict in {name}\n" in conflict
    marks = [line[1:] for line in conflict.splitlines() if line[1:4] in {"<<<", "|||", ">>>"}]
    assert marks == ["<<<<<<< landed", "||||||| before", ">>>>>>> attempt"] * 3
    assert not {tip, attempt} & set(re.findall("[0-9a-f]{40}", told))
    assert told.count("\n# What has landed there since\n") == 1
    assert "rename from old.py\nrename to new.py\n" in told


def test_no_side_of_a_conflict_is_cut_for_who_decides(
    swarm: Swarm, bench: Any, task: Task, bare: Bare
) -> None:
    """However large, in a file that git merges and in one that it takes whole; an agent is told of a cut."""
    lines = b"line %d\n" * 5_000 % tuple(range(5_000))
    mine, other = (lines.replace(b"line", word) for word in (b"mine", b"other"))
    run = bench.submit(task("mine"), task("other"))
    base = bare.commit({"a.txt": lines, "b.txt": b"b\n"})
    tip = bare.commit({"a.txt": other, "b.txt": b"2\n"}, base)
    bare.hub.create_refs({f"refs/heads/swarm/{run}": tip})
    attempt = bare.commit({"a.txt": mine, "b.txt": b"3\n"}, base)
    bench.engine.hand_in(bench.claim(), commit=attempt)

    told, data = swarm("diff", "mine", "--sides").out, swarm("diff", "mine", "--sides", "--json").json()

    assert "(cut" not in told
    for side in (data["hunks"], told):
        assert all(line in side for line in ("mine 4999\n", "other 4999\n", "line 4999\n", "b/b.txt"))
    assert data["theirs"].count("\n+mine ") == data["ours"].count("\n+other ") == 5_000
    sides = Sides(**{name: data[name] for name in ("paths", "landed", "ours", "theirs", "hunks")})
    length = len(data["ours"])
    assert f"… (cut: {length - 1_000} of {length} characters are not here)" in sides.render(
        task("mine"), 4_000
    )


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


@pytest.mark.unsound("it landed by hand, without a trailer")
def test_what_has_landed_conflicts_with_nothing(swarm: Swarm, bench: Any, task: Task, bare: Bare) -> None:
    """Whatever has come after it, and differs from what it began with."""
    run = bench.submit(task("mine"))
    base = bare.commit({"a.py": b"one\n"})
    attempt = bare.commit({"a.py": b"two\n"}, base)
    bench.engine.hand_in(bench.claim(), commit=attempt)
    [ticket] = bench.engine.begin_merge("merger")
    bench.engine.complete(ticket, commit=attempt)
    bare.hub.create_refs({f"refs/heads/swarm/{run}": bare.commit({"a.py": b"three\n"}, attempt)})

    landed = swarm("diff", "mine", "--sides")

    assert landed.code == 2
    assert "task 'mine' has landed: nothing conflicts with it\nhelp: `swarm diff mine` shows it" in landed.err


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
