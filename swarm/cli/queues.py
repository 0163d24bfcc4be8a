"""`queue` and `locks`: what waits, and what holds it up. Each number names its redis-cli line."""

import shlex
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

import click

from swarm.cli.context import Context, pass_context, server_url
from swarm.cli.output import emit, json_option, table
from swarm.cli.see import queue_data
from swarm.engine.addresses import MANY, REDIS_PORT, parse_address, scheme_of, socket_of, split_url
from swarm.fleet.server_file import PASSWORD_FILE, STOPPED, is_stopped
from swarm.keys import Keys
from swarm.observe.wording import duration, failure, first_few, one_line, plural
from swarm.states import FailureKind

if TYPE_CHECKING:
    from swarm.engine.views import Backlog, HeldLock
    from swarm.settings import Settings

WHOLE = {
    "delayed": "in backoff after a failed attempt",
    "leases": "claimed: acked or running",
    "merging": "handed in, waiting for the merge queue or in it",
    "dead": "failed for good, or waits for approval",
}
"""Sorted sets of the whole project, and what is in them."""
ASK_FIRST = (
    "first, to type in the password that `redis_url` holds: read -rs REDISCLI_AUTH; export REDISCLI_AUTH"
)
"""It is in no line: what a command line shows, everybody on the machine sees."""


@click.command()
@click.option("--explain", is_flag=True, help="Print the redis-cli line behind each number.")
@json_option
@pass_context
def queue(context: Context, explain: bool, as_json: bool) -> None:
    """Show how deep each queue is.

    Ready tasks are claimable now, parked ones wait for a lock.
    """
    settings = context.settings()
    reads = context.reads()
    from swarm.engine.views import backlog

    depths = backlog(reads)
    keys = Keys(settings.project)
    stopped = not settings.redis_url and is_stopped(settings.home)
    commands = _commands(depths, keys, redis_cli(server_url(settings), keys.of("meta")))
    data = {
        "queues": [queue_data(one) for one in depths.queues],
        "delayed": depths.delayed,
        "leased": depths.leased,
        "merging": depths.merging,
        "dead": depths.dead,
        "aside": depths.aside,
        "paused": list(depths.controls.paused),
        "limits": depths.controls.limits,
        "dead_letters": list(depths.dead_letters),
    }
    first = _first(settings, stopped)
    if explain:
        data["redis_cli"] = {name: command for name, _, command in commands}
        data["first"] = first
        data["stopped"] = stopped
    now_ms = reads.now_ms()
    emit(data, as_json, lambda: _explained(commands, first) if explain else _text(depths, now_ms))


@click.command()
@json_option
@pass_context
def locks(context: Context, as_json: bool) -> None:
    """List held locks, who holds them and who waits.

    A task holds its whole write scope (exclusive) and what it reads (shared) from the claim until
    it has landed.
    """
    reads = context.reads()
    from swarm.engine.views import held_locks

    held, now_ms = held_locks(reads), reads.now_ms()
    emit(held, as_json, lambda: _locks_text(held, now_ms))


def redis_cli(url: str, key: str) -> str:
    """The beginning of a redis-cli line for the server that has `key`; a password is left to REDISCLI_AUTH.

    Raises:
        StoreUnreachableError: of many servers, nobody says which one it is.
    """
    if scheme_of(url) in MANY:
        from swarm.engine.resolve import Resolver

        return redis_cli(Resolver(parse_address(url)).find(key).own, key)
    parts = split_url(url)
    host, port = parts.hostname or "localhost", str(parts.port or REDIS_PORT)
    in_path = "" if parts.scheme == "unix" else parts.path.strip("/")
    database = (parse_qs(parts.query).get("db") or [in_path])[0]
    if parts.scheme == "unix":
        words = ["-s", socket_of(url)]
    elif ":" in host:  # `-u` takes no address of IPv6
        words = ["-h", host, "-p", port, *(["--tls"] if parts.scheme == "rediss" else [])]
    else:
        words = ["-u", f"{parts.scheme}://{host}:{port}"]
    words += ["--user", unquote(parts.username)] if parts.username else []
    return shlex.join(["redis-cli", *words, *(["-n", database] if database else [])])


def _commands(depths: "Backlog", keys: Keys, cli: str) -> list[tuple[str, int, str]]:
    """Name, number and redis-cli line of everything that `queue` shows."""
    lines = [
        (f"{kind} {one.type}", count, _zcard(cli, keys.of(part, one.type)))
        for one in depths.queues
        for kind, part, count in (("ready", "queue", one.queued), ("parked", "parked", one.parked))
    ]
    counts = (depths.delayed, depths.leased, depths.merging, depths.dead)
    lines += [(part, count, _zcard(cli, keys.of(part))) for part, count in zip(WHOLE, counts, strict=True)]
    lines += [
        (f"aside {run}", count, _zcard(cli, keys.of("paused", run))) for run, count in depths.aside.items()
    ]
    return lines


def _zcard(cli: str, key: str) -> str:
    return f"{cli} ZCARD {shlex.quote(key)}"


def _explained(commands: list[tuple[str, int, str]], first: str) -> str:
    rows = [(name, str(count), line) for name, count, line in commands]
    shown = table(("WHAT", "NOW", "REDIS-CLI"), rows, right=(1,))
    return f"{shown}\n\n{first}" if first else shown


def _first(settings: "Settings", stopped: bool) -> str:
    """What is to be typed before the lines; empty where nothing is."""
    if settings.redis_url:
        # Of many servers the login is the same for each, and stands where that of one does.
        parts = split_url(settings.redis_url)
        has_password = ":" in parts.netloc.rpartition("@")[0] or "password" in parse_qs(parts.query)
        return ASK_FIRST if has_password else ""
    password = shlex.quote(str(settings.home / "server" / PASSWORD_FILE))
    then = f"the server is {STOPPED}; then, " if stopped else ""
    return f"{then}first: export REDISCLI_AUTH=$(cat {password})"


def _text(depths: "Backlog", now_ms: int) -> str:
    rows = [
        (one_line(one.type, 30), str(one.queued), str(one.parked), _orders(one.type, depths))
        for one in depths.queues
    ]
    listed = (
        table(("QUEUE", "READY", "PARKED", ""), rows, right=(1, 2))
        if rows
        else "nothing was ever queued here"
    )
    counts = (depths.delayed, depths.leased, depths.merging, depths.dead)
    whole = [(name, str(count), what) for (name, what), count in zip(WHOLE.items(), counts, strict=True)]
    whole += [
        (f"paused {run}", str(count), "out of their queues: ready, but their run is paused")
        for run, count in depths.aside.items()
    ]
    everything = _orders("*", depths)
    orders = [f"everything: {everything}"] if everything else []
    # A pause takes nothing out of the queues: the next claim that comes by does.
    orders += [
        f"run {run} is paused: what is ready of it is not given out; `swarm resume {run}` goes on with it"
        for run in depths.aside
    ]
    head = "\n".join(orders) + "\n\n" if orders else ""
    counted = f"{head}{listed}\n\n{table(('ALL TYPES', 'NOW', ''), whole, right=(1,))}"
    return "\n\n".join([counted, *_dead_text(depths, now_ms)])


def _dead_text(depths: "Backlog", now_ms: int) -> list[str]:
    """What has failed for good, of all runs, with its reason and the next step."""
    if not depths.dead_letters:
        return []
    rows = [
        (
            one_line(f"{letter.run}/{letter.task}", 40),
            f"{duration((now_ms - letter.failed_ms) / 1000)} ago",
            str(letter.attempts),
            failure(letter.kind, letter.reason) if letter.kind == FailureKind.APPROVAL else letter.kind,
            one_line(letter.reason, 60),
        )
        for letter in depths.dead_letters
    ]
    shown = table(("NEEDS A PERSON", "WHEN", "ATTEMPTS", "KIND", "REASON"), rows, right=(2,))
    hidden = depths.dead - len(rows)
    more = f"\nand {hidden} more; `swarm tasks RUN --needs-you` lists a run's" if hidden > 0 else ""
    first = depths.dead_letters[0]
    return [f"{shown}{more}\n\n`swarm why {first.task} --run {first.run}` says more"]


def _orders(kind: str, depths: "Backlog") -> str:
    """Whether a type is paused or limited, in few words."""
    most = depths.controls.limits.get(kind)
    words = ["paused"] if kind in depths.controls.paused else []
    return ", ".join([*words, f"at most {most} at once"] if most is not None else words)


def _locks_text(held: "list[HeldLock]", now_ms: int) -> str:
    if not held:
        return "no lock is held"
    is_any_widened = any(lock.widened for lock in held)
    rows = [
        (
            one_line(lock.path, 50),
            lock.mode,
            f"{lock.run}/{lock.task}",
            lock.worker_id,
            duration((now_ms - lock.since_ms) / 1000),
            _waiting(lock),
            *([first_few(lock.widened)] if is_any_widened else []),
        )
        for lock in held
    ]
    more = ("WIDENED BY",) if is_any_widened else ()
    return table(("PATH", "MODE", "TASK", "WORKER", "FOR", "WAITING", *more), rows, right=(4,))


def _waiting(lock: "HeldLock") -> str:
    if not lock.waiters:
        return "-"
    more = f" and {plural(len(lock.waiters) - 1, 'more task')}" if len(lock.waiters) > 1 else ""
    return f"{lock.waiters[0].partition('/')[2]}{more}"
