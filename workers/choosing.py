"""Attempts that somebody looks at before they are handed in: reviewed ones, and the best of several.

Within one claim agents work one after another, each in a fresh workspace at the same base. What one makes is
a candidate, and is held to write scope, acceptance and review. One of those that pass is handed in, and the
merge queue judges it as any other.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from swarm.engine.claims import Ending, Expand, Fail, Failure, HandIn
from swarm.observe.wording import one_line
from swarm.plan.model import TaskSpec
from swarm.repo.git.unseen import unseen_in_patch
from swarm.repo.hub.candidates import Candidate, candidate_ref, find_candidates, mark_passed, settle
from swarm.repo.workspaces.workspace import Workspace
from swarm.states import FailureKind
from workers.agents.transcript import Transcript
from workers.attempt import Attempt
from workers.reviewer import MAX_DIFF_CHARS, Hearing, Reviewer, with_unseen
from workers.verdicts import Review

SAID_BEFORE = "approved by a worker that did not hand it in: the log of that attempt has its findings"


class Choosing:
    """One claim of such a task."""

    def __init__(self, attempt: Attempt, reviewer: Reviewer) -> None:
        self._attempt = attempt
        self._reviewer = reviewer
        self._last_rejected: str | None = None
        self._said_of: dict[int, list[str]] = {}  # number of a candidate -> its review
        self._told_of: dict[str | None, tuple[int, Review]] = {}  # tree -> candidate that was asked about
        self._said_by_judge: list[str] = []
        self._left_out: dict[int, str] = {}  # number of a candidate -> paths that were not taken

    @property
    def _task(self) -> TaskSpec:
        """As it is now: an agent may have got it more files."""
        return self._attempt.claim.task

    def produce(self) -> Ending:
        """Do the work; return how it ended. Raises as `Attempt.produce`.

        What is nobody's fault ends the attempt at once: candidates are durable, and the next claim goes on
        with them.
        """
        if ending := self._attempt.take_up():
            return self._with_review(ending, None)
        passed: list[Candidate] = []
        failures: list[Failure] = []
        expansion: Expand | None = None
        left = self._left_by_others()
        for number in range(1, self._task.best_of + 1):
            match self._bring_to_pass(number, left.get(number)):
                case Candidate() as candidate:
                    passed.append(candidate)
                case Expand() as wish:
                    expansion = expansion or wish
                case Fail(failure) if not failure.kind.is_charged:
                    self._say(f"put off: {failure.reason}", number)
                    return Fail(failure)
                case Fail(failure):
                    failures.append(failure)
                    self._say(f"failed: {failure.reason}", number)
        if passed:
            return self._choose_among(passed)
        self._settle(self._last_rejected, kind="rejected")
        return expansion or Fail(self._sum_up(failures))

    def _left_by_others(self) -> dict[int, Candidate]:
        """What earlier workers made durable from this very base."""
        claim = self._attempt.claim
        return find_candidates(
            self._attempt.hub, claim.run, self._task.id, base=claim.base, after=claim.fresh_after
        )

    def _bring_to_pass(self, number: int, left: Candidate | None) -> Candidate | Fail | Expand:
        """A candidate that has passed: an earlier worker's, or this one's; or why there is none."""
        claim = self._attempt.claim
        if left is not None and left.has_passed:
            self._say("taken up, as it had passed before", number)
            return left
        if left is not None and left.commit:
            self._say("taken up, as it was durable", number)
            return self._judge(left, self._attempt.open(left.commit))
        workspace = self._attempt.open(claim.base)
        if self._task.best_of > 1:
            self._say("begins", number)
        if ending := self._attempt.work(workspace):
            return ending
        ref = candidate_ref(claim.run, self._task.id, claim.attempt, number)
        made = self._attempt.take(workspace, ref)
        if isinstance(made, Fail):
            return made
        self._left_out[number] = made.left_out
        return self._judge(Candidate(number, made.commit), workspace)

    def _judge(self, candidate: Candidate, workspace: Workspace) -> Candidate | Fail:
        """Hold a candidate to the acceptance commands and to its review."""
        failure = self._attempt.accept(workspace) or self._review(candidate)
        if failure:
            self._last_rejected = candidate.commit or self._last_rejected
            return Fail(failure)
        claim = self._attempt.claim
        mark_passed(self._attempt.hub, claim.run, self._task.id, attempt=claim.attempt, candidate=candidate)
        return candidate

    def _review(self, candidate: Candidate) -> Failure | None:
        """What the reviewer finds wrong; None when it approves, or there is nothing to look at."""
        # Who may change nothing has nothing to show. Who may, and did not, has the reviewer to convince.
        if not self._task.review or not (candidate.commit or self._task.files):
            return None
        tree = self._tree(candidate)
        if (twin := self._told_of.get(tree)) is not None:  # nobody is asked until the answer is another
            self._say(f"is the same as candidate {twin[0]}, which was reviewed", candidate.number)
            return self._verdict(candidate, twin[1])
        patch = self._patch(candidate)
        if len(patch) > MAX_DIFF_CHARS:
            seen = f"the reviewer sees about {MAX_DIFF_CHARS} of the diff's {len(patch)} characters"
            self._say(f"review: {seen}", candidate.number)
        told = self._reviewer.review(self._task, patch, self._hearing())
        if isinstance(told, Failure):
            self._say(f"review: {told.reason}", candidate.number)
            return told
        self._told_of[tree] = (candidate.number, told)
        return self._verdict(candidate, told)

    def _verdict(self, candidate: Candidate, told: Review) -> Failure | None:
        self._said_of[candidate.number] = lines = list(told.lines())
        for line in lines:
            self._say(f"review: {line}", candidate.number)
        return None if told.is_approval else _rejection(told, lines)

    def _choose_among(self, passed: Sequence[Candidate]) -> Ending:
        """Make one of these the attempt, and hand it in."""
        chosen = self._pick(self._unlike(passed))
        if isinstance(chosen, Failure):
            return Fail(chosen)
        self._attempt.start()  # all of them may have been durable, and nothing opened
        self._settle(chosen.commit)
        if chosen.commit is None:
            return self._attempt.finish(self._left_out.get(chosen.number, ""))
        ending = self._attempt.hand_in(chosen.commit, self._attempt.beyond_scope(chosen.commit))
        return self._with_review(ending, chosen.number)

    def _with_review(self, ending: Ending, number: int | None) -> Ending:
        """What is handed in goes with what was said of it; None: an earlier worker had it looked at."""
        if not isinstance(ending, HandIn):
            return ending
        said = self._said_of.get(number, []) if number else []
        if self._task.review and not said:
            said = [SAID_BEFORE]
        return replace(ending, review="\n".join([*said, *self._said_by_judge]))

    def _pick(self, candidates: Sequence[Candidate]) -> Candidate | Failure:
        """The only one, or the one that the judge names."""
        if len(candidates) == 1:
            return candidates[0]
        claim = self._attempt.claim
        shown = shuffled(candidates, seed=f"{claim.run}/{self._task.id}/{claim.attempt}")
        told = self._reviewer.choose(self._task, [self._patch(one) for one in shown], self._hearing())
        if isinstance(told, Failure):
            self._attempt.note(f"[swarm: {len(candidates)} candidates wait for the judge: {told.reason}]")
            return told
        chosen = shown[told.choice - 1]
        word = f"chosen of {len(candidates)}: {one_line(told.reason, 400)}"
        self._say(word, chosen.number)
        self._said_by_judge = [word]
        return chosen

    def _unlike(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """The first of those that lead to the same tree."""
        by_tree: dict[str | None, Candidate] = {}
        for candidate in candidates:
            if (twin := by_tree.setdefault(self._tree(candidate), candidate)) is not candidate:
                self._say(f"is the same as candidate {twin.number}", candidate.number)
        return list(by_tree.values())

    def _tree(self, candidate: Candidate) -> str | None:
        return self._attempt.hub.resolve(f"{candidate.commit or self._attempt.claim.base}^{{tree}}")

    def _settle(self, commit: str | None, *, kind: Literal["attempt", "rejected"] = "attempt") -> None:
        claim = self._attempt.claim
        settle(self._attempt.hub, claim.run, self._task.id, attempt=claim.attempt, commit=commit, kind=kind)

    def _sum_up(self, failures: Sequence[Failure]) -> Failure:
        """The last failure, and how many agents it took."""
        last = failures[-1]
        if self._task.best_of == 1:
            return last
        reason = f"none of {self._task.best_of} candidates passed; the last: {last.reason}"
        return replace(last, reason=reason)

    def _patch(self, candidate: Candidate) -> str:
        base = self._attempt.claim.base
        if not candidate.commit:
            return ""
        hub = self._attempt.hub
        unseen = unseen_in_patch(hub.git, base, candidate.commit)
        return with_unseen(hub.patch(base, candidate.commit), unseen)

    def _hearing(self) -> Hearing:
        log = self._attempt.log
        return Hearing(
            transcript=Transcript(log.with_suffix(".jsonl"), log),
            spend=self._attempt.spend,
            check=self._attempt.check,
        )

    def _say(self, what: str, number: int) -> None:
        """A line in the attempt's log; it names the candidate where there are several."""
        of = f"candidate {number} of {self._task.best_of} " if self._task.best_of > 1 else ""
        self._attempt.note(f"[swarm: {of}{what}]")


def shuffled(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    """In an order that only the seed decides: neither who was first nor what was made shows in it."""
    return sorted(candidates, key=lambda one: hashlib.sha256(f"{seed}/{one.number}".encode()).digest())


def _rejection(review: Review, lines: Sequence[str]) -> Failure:
    """A review that rejects, as the next attempt is told of it."""
    return Failure(
        FailureKind.GATE_FAILED,
        f"review: {review.reason}",
        "\n".join(["An independent reviewer looked at the change:", *lines]),
    )
