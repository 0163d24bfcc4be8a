"""How a run that has ended is told to a shell: its exit code, and what is left for a person to do."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.errors import HubUnreachableError, LimitReachedError, RefusedError, WaitingForPersonError
from swarm.states import FailureKind, RunState, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.engine.records import RunRecord, TaskRecord
    from swarm.settings import Settings

PUBLISH_PATIENCE_S = 2.0
_A_PERSONS = {FailureKind.POLICY, FailureKind.APPROVAL, FailureKind.CONFLICT}

EXIT_DONE, EXIT_FAILED = 0, 1
EXIT_LIMIT = LimitReachedError.exit_code
EXIT_WAITING_FOR_PERSON = WaitingForPersonError.exit_code


@dataclass(frozen=True)
class Verdict:
    """An exit code, and the next step in words where the code alone does not say it."""

    exit_code: int
    remark: str = ""


def verdict_on(record: "RunRecord", tasks: "Iterable[TaskRecord]", *, unpublished: str = "") -> Verdict:
    """The verdict on a run that has ended; `unpublished` says why its branch is not where it belongs.

    Only what nobody's work can mend is a limit's or a person's: beside a task that failed by itself the run
    has failed, and one that a person cancelled waits for nobody.
    """
    # Redis has forgotten an archived run, so it cannot be resumed; a wait publishes too.
    publish = f"swarm wait {record.run}" if record.is_archived else f"swarm run --resume {record.run}"
    remark = f"not published: {unpublished}; then `{publish}`" if unpublished else ""
    if record.state is RunState.DONE:
        return Verdict(EXIT_WAITING_FOR_PERSON if unpublished else EXIT_DONE, remark)
    failed = [task for task in tasks if task.state is TaskState.FAILED]
    kinds = {task.failure_kind for task in failed}
    if record.state is RunState.CANCELLED or not kinds or kinds - {FailureKind.LIMIT, *_A_PERSONS}:
        return Verdict(EXIT_FAILED, remark)
    if kinds == {FailureKind.LIMIT}:
        stopped = f"stopped at a limit: {failed[0].failure_reason}; what landed stays landed"
        return Verdict(EXIT_LIMIT, "\n".join(filter(None, (stopped, remark))))
    refused = next(task for task in failed if task.failure_kind in _A_PERSONS)
    why = f"{refused.spec.id}: {refused.failure_reason}"
    goes_on = f"`swarm retry {record.run}` or `swarm skip {record.run} {refused.spec.id}` goes on"
    if refused.failure_kind == FailureKind.APPROVAL:
        goes_on = f"`swarm approve {record.run} {refused.spec.id}` or `swarm reject` goes on"
    if record.is_archived:
        goes_on = "the run is archived, `swarm run PLAN` begins it anew"
    what = "your approval" if refused.failure_kind == FailureKind.APPROVAL else "you"
    waits = f"waits for {what}: {why}; {goes_on}"
    return Verdict(EXIT_WAITING_FOR_PERSON, "\n".join(filter(None, (waits, remark))))


def publish_here(settings: "Settings", record: "RunRecord") -> str:
    """Bring a run's branch into this checkout if its hub can be had here; why not, or empty.

    A client of a queue elsewhere has none, and its supervisors publish.
    """
    is_here = settings.hub or settings.mirror.exists()
    if not is_here or not (settings.root / ".git").exists():
        return ""
    from swarm.repo.git.command import GitError  # noqa: PLC0415  # `swarm wait` starts without them
    from swarm.repo.hub.obstacles import why_unwritten  # noqa: PLC0415
    from swarm.repo.hub.opening import open_hub, open_hub_for  # noqa: PLC0415

    try:
        hub = open_hub_for(settings, record)
    except HubUnreachableError as error:
        return error.message
    except RefusedError as error:
        is_its_hub = settings.hub or open_hub(settings).tip(record.branch)  # else there is none here
        return error.message if is_its_hub else ""
    if hub.tip(record.branch) is None:
        return ""
    deadline_s = time.monotonic() + PUBLISH_PATIENCE_S
    while True:
        try:
            return hub.publish(settings.root, record.branch).reason
        except GitError as error:
            # A supervisor that publishes at this moment holds the ref's lock.
            if time.monotonic() > deadline_s:
                if reason := why_unwritten(record.branch, error.stderr):
                    return reason
                raise
        time.sleep(0.1)
