"""Who cannot use the hub, since when, and why, in words."""

from collections.abc import Iterable, Iterator

from swarm.engine.records import AgentRecord
from swarm.observe.wording import duration, one_line, plural, time_of_day

_KINDS = ("worker", "supervisor")


def hub_troubles(agents: Iterable[AgentRecord], now_ms: int) -> Iterator[str]:
    """A line for each thing that is wrong, with how many it keeps from work; nothing while all is well."""
    found: dict[str, list[AgentRecord]] = {}
    for agent in agents:
        if agent.hub_trouble:
            found.setdefault(agent.hub_trouble, []).append(agent)
    for trouble, troubled in found.items():
        counts = {kind: sum(agent.kind == kind for agent in troubled) for kind in _KINDS}
        who = " and ".join(plural(count, kind) for kind, count in counts.items() if count)
        if len(troubled) == 1:
            who = f"{troubled[0].kind} {troubled[0].worker_id}"
        since_ms = min(agent.hub_trouble_ms for agent in troubled)
        since = f"since {time_of_day(since_ms)}, {duration((now_ms - since_ms) / 1000)} ago"
        yield one_line(f"{who} cannot use the hub {since}: {trouble}", 400)
