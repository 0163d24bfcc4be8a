"""`swarm why` follows merges, locks, turns and limits to whoever has them."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from why_chain import Bench, Swarm, Task, alive, chain, starts

from swarm.engine.claims import WorkerProfile


def test_a_task_behind_another_merge_names_it(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Merging behind K, whose gate runs."""
    bench.submit(task("first"), task("second"))
    for _ in range(2):
        bench.engine.hand_in(bench.claim(), commit="a" * 40)
    [ticket] = bench.engine.begin_merge("supervisor-1")
    alive(bench, kind="supervisor")
    other = {"first": "second", "second": "first"}[ticket.task.id]

    assert starts(
        chain(swarm, other),
        (other, "merging: handed in "),
        (other, f"behind {ticket.task.id}"),
        (ticket.task.id, "merging: its gate has been running for "),
        (ticket.task.id, "supervisor-1: heartbeat "),
    )


def test_a_merge_whose_supervisor_is_gone_says_when_the_slot_ends(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """Then another supervisor takes it up."""
    bench.submit(task("build"))
    bench.engine.hand_in(bench.claim(), commit="a" * 40)
    bench.engine.begin_merge("supervisor-9")

    text = chain(swarm, "build")[-1][1]

    assert text.startswith("supervisor-9 is not among the living; the slot ends in ")


def test_a_lock_whose_holder_waits_to_be_merged_leads_to_who_has_the_slot(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """From a pending task to a parked one, its lock, the holder's merge, and the gate that runs before it."""
    bench.submit(
        replace(task("gated"), estimate_s=900),
        replace(task("holder", files=("x",)), estimate_s=800),
        task("parked", files=("x",)),
        task("last", "parked"),
    )
    for _ in range(2):
        bench.engine.hand_in(bench.claim(), commit="a" * 40)
    assert [one.task.id for one in bench.engine.begin_merge("supervisor-1")] == ["gated"]
    assert bench.engine.claim(WorkerProfile("w-2"), "w-2-1") is None
    alive(bench, kind="supervisor")

    assert starts(
        chain(swarm, "last"),
        ("last", "pending: waits for 1 dependency: parked"),
        ("parked", "queued: parked on x"),
        ("parked", "x is locked (exclusive) by holder since "),
        ("holder", "merging: handed in "),
        ("holder", "behind gated: supervisor-1 has the branch's slot for it"),
        ("gated", "merging: its gate has been running for "),
        ("gated", "supervisor-1: heartbeat "),
    )


def test_a_holder_in_another_run_is_named_with_its_worker(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Locks are shared by all runs: what it does there, whether its worker lives, and what to type."""
    first = bench.submit(task("holder", files=("x",)))
    bench.claim()
    second = bench.submit(task("parked", files=("x",)), key="2")
    assert bench.engine.claim(WorkerProfile("w-2"), "w-2-1") is None

    links = [link["text"] for link in swarm("why", "parked", "--run", second, "--json").json()["chain"]]

    assert links[0].startswith("queued: parked on x since ")
    assert links[1].startswith(f"x is locked (exclusive) by holder of run {first} since ")
    assert links[2:] == [
        f"holder is running; `swarm why holder --run {first}` says more",
        "w-1 is not among the living",
    ]


def test_whoever_else_holds_what_a_task_needs_is_named_as_well(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """It is parked on the first lock that it met; a second holder would keep it waiting, others would not."""
    bench.submit(
        replace(task("one", files=("x",)), estimate_s=900),
        replace(task("two", files=("docs/**",)), estimate_s=800),
        replace(task("three", files=("z",), kind="other"), reads=("shared.md",), estimate_s=700),
        replace(task("parked", files=("x", "docs/a.md")), reads=("shared.md",), estimate_s=1),
    )
    for _ in range(3):
        bench.claim()
    assert bench.engine.claim(WorkerProfile("w-2"), "w-2-1") is None

    links = chain(swarm, "parked")

    named = [text.partition(" since ")[0] for _, text in links if " is locked (" in text]
    assert sorted(named) == ["docs is locked (exclusive) by two", "x is locked (exclusive) by one"]
    assert [name for name, text in links if text.startswith("running on worker w-1")] in (
        ["one", "two"],
        ["two", "one"],
    )


@pytest.mark.parametrize(
    ("scopes", "path"),
    [
        (({"files": ("docs/**",)}, {"files": ("docs/a.md",)}), "docs"),
        (({"files": ("docs/a.md",)}, {"files": ("docs/**",)}), "docs/a.md"),
        (({"files": (), "reads": ("docs/a.md",)}, {"files": ("docs/a.md",)}), "docs/a.md"),
        (({"files": ("**",)}, {"files": ("docs/a.md",)}), "the whole repository"),
    ],
)
def test_whatever_overlaps_is_named_with_its_holder(
    swarm: Swarm, bench: Bench, task: Task, scopes: tuple[dict[str, Any], dict[str, Any]], path: str
) -> None:
    """Above, below or the same, shared or not: `why` and `locks` agree on who waits for whom."""
    held, wanted = scopes
    run = bench.submit(
        replace(task("holder"), estimate_s=900, **held), replace(task("waiter"), estimate_s=1, **wanted)
    )
    bench.claim()
    assert bench.engine.claim(WorkerProfile("w-2"), "w-2-1") is None

    (lock,), links = swarm("locks", "--json").json(), chain(swarm, "waiter")

    assert links[0][1].startswith(f"queued: parked on {path} since ")
    assert links[1][1].startswith(f"{path} is locked (")
    assert ") by holder since " in links[1][1]
    assert (lock["task"], lock["state"], lock["waiters"]) == ("holder", "running", [f"{run}/waiter"])


def test_a_task_that_waits_for_anothers_turn_names_it(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Nobody holds the lock it needs: it is kept for one that was overtaken."""
    files = [(f"{side}{number}", f"{side}.py") for number in range(20) for side in "ab"]
    small = [replace(task(name, kind="small", files=(file,)), priority=9) for name, file in files]
    bench.submit(*small, task("both", kind="both", files=("a.py", "b.py")))
    numbers = itertools.count()

    def claim(kind: str) -> Any:
        return bench.engine.claim(WorkerProfile(f"w-{kind}", types=(kind,)), f"c{next(numbers)}")

    held = [claim("small"), claim("small")]
    while not bench.engine.turn():
        bench.engine.finish(held.pop(0))
        assert claim("both") is None
        held.append(claim("small"))
    bench.engine.finish(held[0])
    assert claim("small") is None

    parked = next(iter(set(bench.engine.parked()) - {bench.engine.turn()})).partition("/")[2]
    links = chain(swarm, parked)

    assert links[1] == (parked, "it is the turn of both, which others overtook too often")
    assert links[2][0] == "both"


@pytest.mark.parametrize("kind", ["general", "*"])
def test_a_reached_limit_leads_to_who_fills_it(swarm: Swarm, bench: Bench, task: Task, kind: str) -> None:
    """And one with room left is not in the way."""
    bench.submit(replace(task("first"), estimate_s=900), task("next"))
    alive(bench)
    bench.engine.limit(kind, 1)
    with_room = chain(swarm, "next")

    bench.claim()

    what = "all types together are" if kind == "*" else "type 'general' is"
    assert with_room[-1] == ("next", "1 idle worker can take it now")
    assert starts(
        chain(swarm, "next"),
        ("next", "queued: ready in queue 'general'"),
        ("next", f"{what} limited to 1 task at once"),
        ("first", "running on worker w-1 for "),
        ("first", "worker w-1 is not among the living"),
    )


def test_without_a_supervisor_a_merge_says_what_is_missing(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Handed in, and nobody there to land it."""
    bench.submit(task("build"))
    bench.engine.hand_in(bench.claim(), commit="a" * 40)

    assert chain(swarm, "build")[-1] == ("build", "no supervisor is alive to merge it")
