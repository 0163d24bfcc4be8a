"""`status` of queues that nobody serves, and of large runs."""

import re
from dataclasses import replace

from why_chain import Bench, Swarm, Task

from swarm.engine.connect import open_store
from swarm.engine.words import text_of
from swarm.testing.plans import BASE, make_plan


def test_a_queue_that_nobody_serves_says_what_to_start(
    swarm: Swarm, bench: Bench, task: Task, redis_url: str
) -> None:
    """In `status`, once it has been reported, and as JSON since when."""
    bench.submit(replace(task("train", kind="ml"), needs=("gpu",)))
    since_ms = bench.engine.now_ms() - 400_000
    store = open_store(redis_url)
    store.call("HSET", bench.engine.keys.of("unserved"), "ml+gpu", f"{since_ms} {since_ms + 300_000}")
    store.close()

    assert (
        "no worker has served 'ml+gpu' for 6m40s: `swarm worker --types ml --tags gpu`" in swarm("status").out
    )
    assert swarm("status", "--json").json()["unserved"] == {"ml+gpu": since_ms}


def test_tags_that_no_worker_has_are_named_at_once(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Of this run's tasks, in `status`, until a worker with them is there."""
    run = bench.submit(replace(task("train", kind="ml"), needs=("gpu",)), task("plain"))
    other = bench.submit(task("b"), key="other")
    bench.engine.heartbeat(bench.worker, kind="worker", state="idle")
    line = "no worker alive has the tags of queue 'ml+gpu': `swarm worker --types ml --tags gpu` starts one"

    before, elsewhere = swarm("status", run), swarm("status", other)
    data = swarm("status", run, "--json").json()
    tagged = replace(bench.worker, worker_id="w-2", tags=("gpu", "big"))
    bench.engine.heartbeat(tagged, kind="worker", state="idle")
    after = swarm("status", run)

    assert [line in one.out for one in (before, elsewhere, after)] == [True, False, False]
    assert data["missing_tags"] == ["ml+gpu"]
    assert swarm("status", run, "--json").json()["missing_tags"] == []


def test_a_queue_whose_workers_have_no_model_says_what_to_set(
    swarm: Swarm, bench: Bench, task: Task, redis_url: str
) -> None:
    """Another worker of the type would change nothing."""
    bench.submit(replace(task("think"), executor="messages", command=None))
    since_ms = bench.engine.now_ms() - 400_000
    store = open_store(redis_url)
    noted = f"{since_ms} {since_ms + 300_000} messages"
    store.call("HSET", bench.engine.keys.of("unserved"), "general", noted)
    store.close()

    data = swarm("status", "--json").json()

    assert (
        "no worker has run executor 'messages' (queue 'general') for 6m40s: "
        "set ANTHROPIC_API_KEY where workers start" in swarm("status").out
    )
    assert (data["unserved"], data["unserved_executors"]) == ({"general": since_ms}, {"general": "messages"})


def test_only_the_runs_whose_tasks_wait_there_show_an_unserved_queue(
    swarm: Swarm, bench: Bench, task: Task, redis_url: str
) -> None:
    """Neither those without such a task, nor those that have ended."""
    plain = bench.submit(task("a", kind="docs"), key="plain")
    asks = bench.submit(replace(task("b", kind="docs"), executor="messages", command=None), key="asks")
    ended = bench.submit(replace(task("c", kind="docs"), executor="messages", command=None), key="ended")
    bench.engine.cancel(ended)
    since_ms = bench.engine.now_ms() - 400_000
    store = open_store(redis_url)
    unserved = bench.engine.keys.of("unserved")

    def shown() -> dict[str, bool]:
        return {run: "no worker has " in swarm("status", run).out for run in (plain, asks, ended)}

    store.call("HSET", unserved, "docs", f"{since_ms} {since_ms + 300_000} messages")
    of_the_executor = shown()
    store.call("HSET", unserved, "docs", f"{since_ms} {since_ms + 300_000}")
    of_the_queue = shown()
    store.close()

    assert of_the_executor == {plain: False, asks: True, ended: False}
    assert of_the_queue == {plain: True, asks: True, ended: False}
    assert swarm("status", ended, "--json").json()["unserved"] == {}


def test_the_status_of_a_large_run_reads_what_it_shows(
    swarm: Swarm, bench: Bench, task: Task, redis_url: str
) -> None:
    """Of one too large to be forecast, and of one that has ended."""
    large = bench.submit(*(task(f"t{number}") for number in range(5_100)), key="large")
    ended = bench.submit(*(task(f"t{number}") for number in range(1_000)), key="ended")
    bench.engine.cancel(ended)
    held = bench.claim().task.id
    store = open_store(redis_url)

    def commands() -> int:
        lines = text_of(store.call("INFO", "stats")).splitlines()
        return next(int(line.split(":")[1]) for line in lines if line.startswith("total_commands_processed"))

    for run, said in ((large, "0/5100 done"), (ended, "0/1000 done")):
        before = commands()
        shown = swarm("status", run).out
        assert (said in shown, commands() - before < 100) == (True, True)
    store.close()
    assert any(line.startswith(f"{held} ") for line in swarm("status", large).out.splitlines())


def test_a_deadline_that_has_passed_is_said_to_have(swarm: Swarm, bench: Bench, redis_url: str) -> None:
    """Nobody is there to end the run: it is not about to happen."""
    run = bench.engine.submit(make_plan("a"), base=BASE, deadline_s=100)
    soon = swarm("status", run).out
    store = open_store(redis_url)
    store.call("HSET", bench.engine.keys.of("run", run), "deadline_ms", bench.engine.now_ms() - 100_000)
    store.close()

    late = swarm("status", run).out

    assert re.search(r"deadline +in 1m\d\ds", soon)
    assert re.search(r"deadline +passed 1m4\ds ago", late)
