"""The hand-written loop that the engine is measured against.

One Lua script completes a task, triggers its dependents and claims the next in the same round trip,
with what any queue that deserves the name must keep: a lease with a deadline, a fencing token that is
checked on completion, the task's state, and an event in a stream. No locks, no types, no retries, no
op ids, no counts. It runs over the same connection as the engine.
"""

import os
from collections.abc import Callable
from functools import partial

import redis

from swarm.bench.engine import Bench
from swarm.bench.graphs import Graph
from swarm.engine.connect import open_store

STEP = """
local counts, dependents, ready, leases, tasks, events, fence = unpack(KEYS)
local worker, done, token = ARGV[1], ARGV[2], ARGV[3]
if done ~= '' then
  if redis.call('HGET', tasks .. done, 'token') ~= token then
    return redis.error_reply('STALE')
  end
  redis.call('ZREM', leases, done)
  redis.call('HSET', tasks .. done, 'state', 'done')
  redis.call('XADD', events, 'MAXLEN', '~', 10000, '*', 'kind', 'done', 'task', done)
  local names = redis.call('HGET', dependents, done)
  if names then
    for name in string.gmatch(names, '%d+') do
      if redis.call('HINCRBY', counts, name, -1) == 0 then
        redis.call('LPUSH', ready, name)
      end
    end
  end
end
local task = ARGV[4] or redis.call('RPOP', ready)
if not task then
  return false
end
local now, next_token = redis.call('TIME')[1], redis.call('INCR', fence)
redis.call('ZADD', leases, now + 30, task)
redis.call('HSET', tasks .. task, 'state', 'running', 'worker', worker, 'token', next_token, 'started', now)
redis.call('XADD', events, 'MAXLEN', '~', 10000, '*', 'kind', 'started', 'task', task)
return {task, next_token}
"""

KEYS = tuple(
    f"floor:{name}" for name in ("counts", "dependents", "ready", "leases", "task:", "events", "fence")
)
READY = KEYS[2]


def load(bench: Bench, graph: Graph) -> Callable[[], object]:
    """Store the graph and queue its roots."""
    return partial(_store, bench, graph)


def _store(bench: Bench, graph: Graph) -> None:
    roots = [task for task, needs in graph if not needs]
    commands = [["DEL", *KEYS], *counters(graph, *KEYS[:2]), ["LPUSH", READY, *roots]]
    open_store(bench.url).pipeline(commands)


def counters(graph: Graph, counts: str, dependents: str) -> list[list[str | int]]:
    """What stores how many each task waits for in one hash, and who waits for each in another."""
    waiting: dict[str, list[str]] = {}
    for task, dependencies in graph:
        for dependency in dependencies:
            waiting.setdefault(dependency, []).append(task)
    commands: list[list[str | int]] = [["HSET", counts, task, len(needs)] for task, needs in graph if needs]
    return commands + [["HSET", dependents, task, ",".join(names)] for task, names in waiting.items()]


def work(bench: Bench) -> None:
    """One process over the engine's own connection: one round trip a task while there is one, else a wait."""
    store, body = open_store(bench.url), bench.recorder()
    sha = store.call("SCRIPT", "LOAD", STEP)
    assert isinstance(sha, bytes)
    step = ("EVALSHA", sha, len(KEYS), *KEYS, f"w{os.getpid()}")
    held = None
    while True:
        if held is None:
            found = store.call("BRPOP", READY, "0.2", timeout_s=5.0)
            if not isinstance(found, list):
                continue
            name = found[1]
            assert isinstance(name, bytes)
            held = store.call(*step, "", "", name)
            continue
        assert isinstance(held, list)
        task, token = held
        assert isinstance(task, bytes)
        assert isinstance(token, int)
        body(int(task))
        held = store.call(*step, task, token)


def work_by_redis_py(bench: Bench) -> None:
    """The same over redis-py, as a user's own loop would be."""
    client, body = redis.Redis.from_url(bench.url), bench.recorder()
    step, worker = client.register_script(STEP), f"w{os.getpid()}"
    held = None
    while True:
        if held is None:
            found = client.brpop([READY], timeout=1)
            held = step(KEYS, [worker, "", "", found[1]]) if found else None
            continue
        body(int(held[0]))
        held = step(KEYS, [worker, *held])
