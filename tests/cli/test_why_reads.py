"""How much of a run `swarm why` reads."""

import itertools
from dataclasses import replace

from why_chain import Bench, Swarm, Task, chain

from swarm.engine.claims import WorkerProfile
from swarm.engine.store import Store
from swarm.engine.words import text_of


def commands_and_bytes(store: Store) -> tuple[int, int]:
    """How many commands the server has done, and how many bytes it has answered."""
    lines = text_of(store.call("INFO", "stats")).splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(fields["total_commands_processed"]), int(fields["total_net_output_bytes"])


def test_what_is_read_does_not_grow_with_the_run(
    swarm: Swarm, bench: Bench, task: Task, store: Store
) -> None:
    """Only the tasks that the chain walks, of 2,000, half of which are parked."""
    waiting = [task(f"w{number}", files=("held.py",)) for number in range(1000)]
    bench.submit(
        replace(task("first", files=("held.py",)), estimate_s=9000),
        *waiting,
        *(task(f"d{number}", "w0") for number in range(1000)),
        task("last", *(f"d{number}" for number in range(30))),
    )
    bench.claim()
    for number in range(30):
        bench.engine.claim(WorkerProfile("w-2"), f"w-2-{number}")
    assert len(bench.engine.parked()) > 500

    for name, most in (("first", 60), ("w5", 60), ("d5", 60), ("last", 200)):
        before = commands_and_bytes(store)
        assert chain(swarm, name)
        commands, sent = (now - then for now, then in zip(commands_and_bytes(store), before, strict=True))
        assert (name, commands < most, sent < 100_000) == (name, True, True), (commands, sent)


def test_a_very_long_chain_is_read_in_one_go(swarm: Swarm, bench: Bench, task: Task, store: Store) -> None:
    """Its end is found with one small read a task, not with what a task's record takes."""
    names = [f"t{number}" for number in range(2000)]
    bench.submit(task("t0"), *(task(name, before) for before, name in itertools.pairwise(names)))
    before, _ = commands_and_bytes(store)

    links = chain(swarm, "t1999")

    commands = commands_and_bytes(store)[0] - before
    assert links[21] == ("t1979", "and so on, 1978 tasks in between, to the end:")
    assert commands < 3_500
