"""Every Redis key that swarm uses, spelled once.

All keys of a project share the hash tag `{<project>}`, so that each script touches one slot of a
Redis Cluster. docs/redis.md documents them as API; `PARTS` is also what the Lua library is assembled
with, so no Lua file spells a key.
"""

PARTS: dict[str, str] = {
    # whole keys
    "meta": "meta",  # HASH   what holds for the whole project (docs/redis.md), and each caller's last answer
    "runs": "runs",  # ZSET   run -> submitted at, ms
    "active": "active",  # SET    runs that have not ended
    "leases": "leases",  # ZSET   task -> lease end, ms
    "deadlines": "deadlines",  # ZSET   task or run -> when it must have ended, ms
    "delayed": "delayed",  # ZSET   task -> not before, ms (backoff)
    "merging": "merging",  # ZSET   task -> rank; handed in, waiting for the merge queue
    "locks": "locks",  # ZSET   exclusively held nodes; a node is a path ending in `/`
    "reading": "reading",  # ZSET   nodes held shared
    "readers": "readers",  # HASH   shared node -> how many hold it
    "wide": "wide",  # HASH   mode and node -> holds that cover everything under it
    "lots": "lots",  # ZSET   names of the lots that have tasks parked in them
    "workers": "workers",  # ZSET   worker -> last seen, ms; the agents that claim
    "agents": "agents",  # ZSET   worker or supervisor -> last seen, ms
    "dead": "dead",  # ZSET   task -> failed at, ms
    "events": "events",  # STREAM everything that happened, in order
    "unserved": "unserved",  # HASH   queue that no worker alive serves -> since when, last reported, executor
    "tick": "tick",  # HASH   last reclaim tick, grace
    "work": "work",  # LIST   what one script call left for the next
    # prefixes
    "queue": "queue:",  # ZSET   task -> dispatch score; one per type
    "parked": "parked:",  # ZSET   task -> dispatch score; one per type, waiting for locks
    "paused": "paused:",  # ZSET   task -> dispatch score; one per paused run, whose tasks stand aside
    "held": "held:",  # SET    tasks that workers hold; one per type that has a limit
    "lot": "lot:",  # ZSET   task -> dispatch score; one per blocking lock, type and executor
    "bell": "bell:",  # LIST   one token per newly claimable task; one per `<type>:<executor>`
    "run": "run:",  # HASH   one per run
    "task": "task:",  # HASH   <run>/<task>
    "dependents": "dependents:",  # LIST <run>/<task>, when they are many
    "waiting": "waiting:",  # HASH  one per run: task -> how many of its dependencies are not done
    "index": "index:",  # ZSET   one per run: task -> its place in the plan
    "lock": "lock:",  # STRING one per held path, for people; no script reads it
    "slot": "slot:",  # HASH   one per branch: who is merging, until when
    "agent": "agent:",  # HASH   one per worker or supervisor
    "inbox": "inbox:",  # STREAM one per agent
}


BEGINNING = "swarm:{"
"""What every key of every project begins with."""


class Keys:
    """The keys of one project; `prefix` is what each begins with."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.prefix = f"{BEGINNING}{project}}}:"

    def of(self, part: str, name: str = "") -> str:
        """The key `part` of `PARTS`, for one run, task, type, path or worker where it takes a name."""
        return self.prefix + PARTS[part] + name


def member(run: str, task: str) -> str:
    """A task's name across all runs of a project: `<run>/<task>`."""
    return f"{run}/{task}"


def split_member(name: str) -> tuple[str, str]:
    """The run and the task of a member."""
    run, _, task = name.partition("/")
    return run, task
