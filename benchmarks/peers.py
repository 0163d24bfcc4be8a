"""Other queues under the same graphs: dramatiq, and taskiq over its list broker.

Of the job queues measured when swarm began, these two were the fastest: dramatiq with tasks that do not
depend on one another, taskiq in chains and graphs. Neither knows dependencies of its own, so a task ends with
a script that counts them down and sends what has become ready, as a user of them would have to write it.
"""

import time
from collections.abc import Callable, Iterable

import dramatiq
import redis
import redis.asyncio
import uvloop
from dramatiq.brokers.redis import RedisBroker
from floor import counters
from taskiq.api import run_receiver_task
from taskiq_redis import ListQueueBroker

from swarm.bench.engine import Bench
from swarm.bench.graphs import Graph
from swarm.engine.connect import open_store

KEYS = ("peer:counts", "peer:dependents")
TRIGGER = """
local ready = {}
for name in string.gmatch(redis.call('HGET', KEYS[2], ARGV[1]) or '', '%d+') do
  if redis.call('HINCRBY', KEYS[1], name, -1) == 0 then
    ready[#ready + 1] = name
  end
end
return ready
"""
THREADS = 8
"""dramatiq's default."""
COROUTINES = 64


def _load(send: Callable[..., object], bench: Bench, graph: Graph) -> Callable[[], object]:
    """Store who waits for whom, and send the tasks that wait for nobody."""

    def hand_in() -> None:
        has_edges = any(needs for _, needs in graph)
        if has_edges:
            open_store(bench.url).pipeline([["DEL", *KEYS], *counters(graph, *KEYS)])
        send((int(task) for task, needs in graph if not needs), has_edges=has_edges)

    return hand_in


# dramatiq -----------------------------------------------------------------------------------
def _dramatiq(bench: Bench, *, is_worker: bool) -> tuple[dramatiq.Broker, Callable[..., object]]:
    broker = RedisBroker(url=bench.url)
    body = bench.recorder() if is_worker else None
    trigger = redis.Redis.from_url(bench.url).register_script(TRIGGER)

    @dramatiq.actor(broker=broker, max_retries=0)
    def run(task: int, *, has_edges: bool) -> None:
        assert body
        body(task)
        if has_edges:
            for name in trigger(KEYS, [task]):
                run.send(int(name), has_edges=True)

    return broker, run.send


def load_dramatiq(bench: Bench, graph: Graph) -> Callable[[], object]:
    """Messages, one by one: dramatiq sends no batches."""

    def send(tasks: Iterable[int], *, has_edges: bool) -> None:
        _, send_one = _dramatiq(bench, is_worker=False)
        for task in tasks:
            send_one(task, has_edges=has_edges)

    return _load(send, bench, graph)


def work_by_dramatiq(bench: Bench) -> None:
    """One process of eight threads."""
    broker, _ = _dramatiq(bench, is_worker=True)
    dramatiq.Worker(broker, worker_threads=THREADS, worker_timeout=100).start()
    while True:
        time.sleep(60)


# taskiq -------------------------------------------------------------------------------------
def _taskiq(bench: Bench, *, is_worker: bool) -> tuple[ListQueueBroker, Callable[..., object]]:
    broker = ListQueueBroker(bench.url)
    body = bench.recorder() if is_worker else None
    trigger = redis.asyncio.Redis.from_url(bench.url).register_script(TRIGGER)

    @broker.task(task_name="run")
    async def run(task: int, *, has_edges: bool) -> None:
        assert body
        body(task)
        if has_edges:
            for name in await trigger(KEYS, [task]):
                await run.kiq(int(name), has_edges=True)

    return broker, run.kiq


def load_taskiq(bench: Bench, graph: Graph) -> Callable[[], object]:
    """Messages, one by one: taskiq sends no batches."""

    async def send_all(tasks: Iterable[int], *, has_edges: bool) -> None:
        broker, send_one = _taskiq(bench, is_worker=False)
        await broker.startup()
        for task in tasks:
            await send_one(task, has_edges=has_edges)
        await broker.shutdown()

    return _load(lambda tasks, **how: uvloop.run(send_all(tasks, **how)), bench, graph)


def work_by_taskiq(bench: Bench) -> None:
    """One process of one event loop."""

    async def listen() -> None:
        broker, _ = _taskiq(bench, is_worker=True)
        await run_receiver_task(broker, max_async_tasks=COROUTINES, run_startup=True)

    uvloop.run(listen())


PEERS = {"dramatiq": (work_by_dramatiq, load_dramatiq), "taskiq": (work_by_taskiq, load_taskiq)}
