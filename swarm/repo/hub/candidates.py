"""Candidates: durable work that nobody hands in before it has been accepted, reviewed and chosen.

An `attempt` ref that a crash left behind is handed in by the next claim as it is. What still has to be looked
at has refs of other kinds therefore, and becomes an attempt in the transaction that ends the choice.
"""

from dataclasses import dataclass
from typing import Literal

from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import RefChange, task_ref
from swarm.repo.hub.writing import apply_all


@dataclass(frozen=True)
class Candidate:
    """What one of an attempt's agents made."""

    number: int  # 1 for the first agent
    commit: str | None  # on top of the claim's base; None: it changed nothing
    has_passed: bool = False  # its acceptance commands, and its review


def candidate_ref(run: str, task: str, attempt: int, number: int, *, has_passed: bool = False) -> str:
    """The ref of one candidate of an attempt."""
    return f"{task_ref('passed' if has_passed else 'candidate', run, task)}/{attempt}.{number}"


def find_candidates(hub: Hub, run: str, task: str, *, base: str, after: int) -> dict[int, Candidate]:
    """Number -> what an earlier claim left, of attempts later than number `after`, the best of each number.

    Only what was made from `base` itself: candidates are compared, so they must have begun alike.
    """
    found: dict[int, Candidate] = {}
    for kind in ("candidate", "passed"):
        refs = hub.refs_under(task_ref(kind, run, task) + "/")
        for ref in sorted(refs, key=_place):
            attempt, number = _place(ref)
            if attempt > after and hub.resolve(f"{ref}^") == base:
                found[number] = Candidate(number, refs[ref], has_passed=kind == "passed")
    return found


def mark_passed(hub: Hub, run: str, task: str, *, attempt: int, candidate: Candidate) -> None:
    """Note that a candidate needs nothing but to be chosen."""
    if candidate.commit is None:
        return
    passed = candidate_ref(run, task, attempt, candidate.number, has_passed=True)
    with hub.writing_refs() as writer:
        stale = [
            RefChange("delete", ref, old=old)
            for ref, old in hub.refs_under(task_ref("candidate", run, task) + "/").items()
            if _place(ref)[1] == candidate.number and _place(ref)[0] <= attempt
        ]
        apply_all(writer, [RefChange("update", passed, new=candidate.commit), *stale])


def settle(
    hub: Hub,
    run: str,
    task: str,
    *,
    attempt: int,
    commit: str | None,
    kind: Literal["attempt", "rejected"] = "attempt",
) -> None:
    """End the choice: `commit` is the attempt, or what is kept of one that was rejected; the rest is dropped.

    One transaction: after a crash there are candidates to choose from, or there is the chosen attempt.
    """
    with hub.writing_refs() as writer:
        folders = (task_ref(each, run, task) + "/" for each in ("candidate", "passed"))
        kept = [RefChange("update", f"{task_ref(kind, run, task)}/{attempt}", new=commit)] if commit else []
        dropped = [
            RefChange("delete", ref, old=old)
            for ref, old in hub.refs_under(*folders).items()
            if _place(ref)[0] <= attempt
        ]
        apply_all(writer, [*kept, *dropped])


def _place(ref: str) -> tuple[int, int]:
    """The attempt and the number in a candidate's ref."""
    attempt, _, number = ref.rpartition("/")[2].partition(".")
    return int(attempt), int(number)
