"""The live view: what a person sees while a run goes on."""

from collections.abc import Callable

import pytest
from rich.console import Console

from swarm.engine.records import AgentRecord, Event, TaskRecord
from swarm.engine.snapshot import Snapshot
from swarm.observe.live import render_live
from swarm.states import RunState

Make = Callable[..., TaskRecord]
MakeSnapshot = Callable[..., Snapshot]
MakeAgent = Callable[..., AgentRecord]


def draw(snapshot: Snapshot, width: int = 100) -> list[str]:
    """The lines that a terminal of this width would show."""
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(render_live(snapshot, width))
    return captured.get().splitlines()


def test_the_header_names_run_goal_branch_progress_and_time(
    landed: Make, make_task: Make, make_snapshot: MakeSnapshot
) -> None:
    """One look says which run this is and how far it has come."""
    lines = draw(make_snapshot(landed("a", at=(0, 1, 1, 2)), make_task("b", "queued")))

    assert "run r1" in lines[0]
    assert "active" in lines[0]
    assert "Move to hooks" in lines[1]
    assert "1/2 done" in lines[2]
    assert "1m40s" in lines[2]
    assert "branch swarm/r1" in lines[3]


def test_a_lane_shows_what_its_worker_does_now_and_did_before(
    landed: Make, make_task: Make, make_snapshot: MakeSnapshot, make_agent: MakeAgent, now_ms: int
) -> None:
    """Work is told by worker, with the state as a word and the attempt when it is not the first."""
    running = make_task(
        "b", "running", attempt=2, worker_id="w-1", claimed_ms=now_ms - 9000, started_ms=now_ms - 8000
    )
    agents = (make_agent("w-1", task="r1/b"), make_agent("w-2"), make_agent("w-3", task="r0/z"))

    lines = draw(make_snapshot(landed("a", at=(0, 1, 1, 2)), running, agents=agents))

    lanes = {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line.startswith("  w-")}
    assert lanes == {"w-1": "◐ running b attempt 2 8.0s ✔ a", "w-2": "idle", "w-3": "busy in run r0"}


def test_what_is_being_merged_has_a_lane_of_its_own(
    make_task: Make, make_snapshot: MakeSnapshot, now_ms: int
) -> None:
    """First what is in the gate, then what waits behind it."""
    waits = make_task("late", "merging", handed_in_ms=now_ms - 1000)
    in_gate = make_task("first", "merging", handed_in_ms=now_ms - 5000, merge_begun_ms=now_ms - 3000)

    (lane,) = (line for line in draw(make_snapshot(waits, in_gate)) if line.startswith("  merge queue"))

    assert lane.split() == ["merge", "queue", "◆", "first", "3.0s", "◆", "late", "1.0s"]


def test_waits_for_locks_name_the_path(make_task: Make, make_snapshot: MakeSnapshot, now_ms: int) -> None:
    """Who stands behind what."""
    parked = make_task("b", "queued", parked_on="src/app.py/", queued_ms=now_ms - 4000)

    assert "  ◎ b waits for src/app.py 4.0s" in draw(make_snapshot(parked))


def test_without_workers_the_view_says_so(make_task: Make, make_snapshot: MakeSnapshot) -> None:
    """A still picture is explained."""
    assert "  no worker is alive" in draw(make_snapshot(make_task("a", "queued")))


def test_a_worker_that_was_not_seen_lately_has_no_lane(
    make_task: Make, make_snapshot: MakeSnapshot, make_agent: MakeAgent, now_ms: int
) -> None:
    """The dead are not shown at work."""
    gone = make_agent("w-1")._replace(seen_ms=now_ms - 60_000)

    assert "  no worker is alive" in draw(make_snapshot(make_task("a", "queued"), agents=(gone,)))


def test_the_last_events_are_told_in_words(make_task: Make, make_snapshot: MakeSnapshot, now_ms: int) -> None:
    """Newest at the bottom; what only machines need is left out."""
    events = tuple(
        Event(f"{now_ms - 1000 + number}-0", kind, "r1", "a", {"worker": "w-1", "commit": "c" * 40})
        for number, kind in enumerate(["task_claimed", "task_started", "task_done"])
    )

    lines = draw(make_snapshot(make_task("a", "done"))._replace(events=events))

    assert [line[12:] for line in lines[-2:]] == ["a taken by w-1", f"a landed as {'c' * 12}"]


@pytest.fixture
def large(
    landed: Make, make_task: Make, make_snapshot: MakeSnapshot, make_agent: MakeAgent, now_ms: int
) -> Snapshot:
    """300 tasks, 40 workers, 50 tasks behind locks, names longer than a line."""
    tasks = [landed(f"done-task-with-a-long-name-{n}", at=(0, 1, 1, 2)) for n in range(200)]
    tasks += [make_task(f"parked-{n}", "queued", parked_on=f"src/{'x' * 200}/{n}/") for n in range(50)]
    tasks += [make_task(f"merging-{n}", "merging", handed_in_ms=now_ms) for n in range(50)]
    agents = tuple(make_agent(f"a-host-with-a-long-name-4711-{n}") for n in range(40))
    events = tuple(
        Event(f"{now_ms}-{n}", "task_claimed", "r1", "t" * 90, {"worker": "w" * 90}) for n in range(12)
    )

    return make_snapshot(*tasks, agents=agents)._replace(events=events)


@pytest.mark.parametrize("width", [60, 100, 120])
def test_a_large_run_fits_the_screen(large: Snapshot, width: int) -> None:
    """Less than 30 lines, none too wide, and what was cut is counted."""
    lines = draw(large, width)

    assert len(lines) < 30
    assert max(map(len, lines)) <= width
    assert any("and 35 more workers" in line for line in lines)
    assert any("and 48 more behind locks" in line for line in lines)


def test_foreign_text_is_shown_and_not_obeyed(make_task: Make, make_snapshot: MakeSnapshot) -> None:
    """Neither terminal escapes nor rich's own markup in a goal or a name change the picture."""
    lines = draw(make_snapshot(make_task("[red]x", "queued"), goal="\x1b[2J[bold]goal[/bold]\x07"))

    assert "[bold]goal[/bold]" in lines[1]
    assert any("◎ [red]x" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_a_finished_run_shows_its_end(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """The last picture stays on the screen, so it must be complete."""
    lines = draw(make_snapshot(landed("a", at=(0, 1, 1, 2)), state=RunState.DONE, ended_ms=1_800_000_002_000))

    assert "done" in lines[0]
    assert "1/1 done" in lines[2]
    assert "2.0s" in lines[2]
