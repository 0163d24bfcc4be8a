"""Events in words: one sentence for each kind that a person wants to hear about."""

from collections.abc import Callable

from swarm.engine.records import Event
from swarm.observe.orders import equip_for, start_for
from swarm.observe.wording import failure_with_reason, first_few, lock_name, one_line, plural, time_of_day
from swarm.states import FailureKind, TaskState


def tell_event(event: Event) -> str:
    """What happened, in one sentence; empty for what only machines need."""
    teller = _TELLERS.get(event.kind)
    return one_line(teller(event)) if teller else ""


def event_ms(event: Event) -> int:
    """When it happened, by Redis' clock."""
    return int(event.id.partition("-")[0])


def clock_time(event: Event) -> str:
    """Local time of day, `HH:MM:SS`."""
    return time_of_day(event_ms(event))


def _because(event: Event) -> str:
    kind, reason = event.fields.get("kind_of_failure", ""), event.fields.get("reason", "")
    said = failure_with_reason(kind, reason)
    return f": {said}" if said else ""


def _attempt(event: Event) -> str:
    number = event.fields.get("attempt", "1")
    return "" if number == "1" else f", attempt {number}"


def _landed(event: Event) -> str:
    commit = event.fields.get("commit", "")
    red = event.fields.get("red_advisory", "")
    beside = f"; advisory, and red: {red}" if red else ""
    hollow = event.fields.get("gates_hollow", "")
    beside += f"; green without a comparison: {hollow}" if hollow else ""
    if not commit and not event.fields.get("worker"):
        return f"{event.task} is done, with all that it was expanded into"  # no worker ended it
    if not commit:
        return f"{event.task} is done; it changed nothing{beside}"
    return f"{event.task} landed as {commit[:12]}{beside}"


def _sent_back(event: Event) -> str:
    return f"{event.task} goes back to the queue{_because(event)}"


def _failed(event: Event) -> str:
    if event.fields.get("kind_of_failure") == FailureKind.APPROVAL:
        return f"{event.task}{_because(event).removeprefix(':')}"
    return f"{event.task} failed for good{_because(event)}"


def _worker(event: Event) -> str:
    return event.fields.get("worker", "a worker")


def _reclaimed(event: Event) -> str:
    if event.fields.get("state") == TaskState.FAILED:
        many = plural(int(event.fields.get("crashes", "1")), "crash", "crashes")
        return f"{event.task} failed for good: {many}, the last of {_worker(event)}{_because(event)}"
    return f"{event.task} taken back from {_worker(event)}{_because(event)}"


def _unserved(event: Event) -> str:
    queue, since_ms = event.fields.get("type", ""), int(event.fields.get("since_ms", "0"))
    since = f"since {time_of_day(since_ms)}"
    if executor := event.fields.get("executor", ""):
        return f"no worker runs executor {executor!r} (queue {queue!r}) {since}: {equip_for(executor, queue)}"
    return f"no worker serves {queue!r} {since}: `{start_for(queue)}` starts one"


def _extended(event: Event) -> str:
    asked, widening = (event.fields[name].splitlines() for name in ("asked", "widened"))
    if widening:
        return f"{event.task}: its write scope was widened by {first_few(widening)}"
    return f"{event.task} may rely on more: {first_few(asked)}"


def _widened(event: Event) -> str:
    """What an attempt that was put back for it will have the next time."""
    widening = event.fields.get("widened", "").splitlines()
    return f"; its write scope was widened by {first_few(widening)}" if widening else ""


_TELLERS: dict[str, Callable[[Event], str]] = {
    "type_unserved": _unserved,
    "run_submitted": lambda _: "the plan is being stored",
    "run_activated": lambda _: "the run is active",
    "run_cancelled": lambda _: "the run was cancelled",
    "run_ended": lambda e: f"the run ended: {e.fields.get('state', '')}",
    "branch_moved": lambda e: f"somebody moved the branch: attempts begin at {e.fields['tip'][:12]} now",
    "task_parked": lambda e: f"{e.task} waits for {lock_name(e.fields.get('path', ''))}",
    "turn_given": lambda e: f"{e.task} was overtaken {e.fields.get('overtaken', '')} times: it is its turn",
    "task_claimed": lambda e: f"{e.task} taken by {_worker(e)}{_attempt(e)}",
    "task_handed_in": lambda e: f"{e.task} handed in by {_worker(e)}{_attempt(e)}",
    "merge_begun": lambda e: f"{e.task} is being merged and gated",
    "task_done": _landed,
    "task_sent_back": _sent_back,
    "task_failed": _failed,
    "task_reclaimed": _reclaimed,
    "task_released": lambda e: f"{e.task} put back by {_worker(e)}{_because(e)}{_widened(e)}",
    "task_expanded": lambda e: f"{e.task} became {plural(len(e.fields['parts'].split()), 'task')}",
    "task_extended": _extended,
    "task_upstream_failed": lambda e: (
        f"{e.task} will not run as long as {e.fields.get('cause', 'a dependency')} has not landed"
    ),
    "task_cancelled": lambda e: f"{e.task} was cancelled{_because(e)}",
    "task_retried": lambda e: f"{e.task} will be tried again",
    "worker_joined": lambda e: f"{e.fields.get('kind_of_worker', 'worker')} {_worker(e)} joined",
    "hub_away": lambda e: f"{_worker(e)} cannot use the hub{_because(e)}",
    "hub_back": lambda e: f"{_worker(e)} can use the hub again",
    "worker_left": lambda e: f"{_worker(e)} left",
}
"""Kind of event -> its sentence. What is not here, such as a task queued, follows from its neighbours."""
