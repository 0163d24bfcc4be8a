"""What was said of an attempt that was handed in is kept with its task while it is the last attempt."""

from swarm.engine.claims import Claim, Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.replies import REVIEW_CAP
from swarm.engine.store import Store
from swarm.states import FailureKind
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan

WORKER = WorkerProfile("worker-a")
SAID = "approved: fine\nminor: f:1: could be shorter"


def claimed(engine: Engine, claim_id: str) -> Claim:
    """The task, begun once more."""
    claim = engine.claim(WORKER, claim_id)
    assert claim is not None
    engine.start(claim)
    return claim


def send_back(engine: Engine) -> None:
    """A red gate, for the oldest that was handed in."""
    [ticket] = engine.begin_merge("merger")
    engine.send_back(ticket, Failure(FailureKind.GATE_FAILED, "tests: exit code 1"))


def test_a_review_stays_with_the_task_until_the_next_attempt_begins(
    engine: Engine, clock: SkewedClock
) -> None:
    """Also when the merge queue sends it back; what was said of this attempt is not said of the next."""
    run = engine.submit(make_plan("a"), base=BASE)

    engine.hand_in(claimed(engine, "1"), commit="c1", review=SAID)
    handed_in = engine.task(run, "a").review
    send_back(engine)
    sent_back = engine.task(run, "a").review
    clock.advance(ms=3_600_000)
    second = claimed(engine, "2")
    at_work = engine.task(run, "a").review
    engine.hand_in(second, commit="c2")

    assert handed_in == sent_back == tuple(SAID.splitlines())
    assert at_work == ()
    assert engine.task(run, "a").review == ()


def test_a_long_review_keeps_its_first_lines(engine: Engine) -> None:
    """The gravest findings come first; how many are left out is said."""
    run = engine.submit(make_plan("a"), base=BASE)
    findings = [f"minor: f:{line}: {'é' * 300}" for line in range(30)]

    engine.hand_in(claimed(engine, "1"), commit="c1", review="\n".join(["approved: fine", *findings]))

    review = engine.task(run, "a").review
    assert len("\n".join(review).encode()) <= REVIEW_CAP
    assert review[:2] == ("approved: fine", findings[0])
    assert review[-1] == f"and {31 - (len(review) - 1)} lines more"


def test_what_was_not_reviewed_has_no_field_for_it(engine: Engine, store: Store) -> None:
    """A million tasks pay nothing for the few that are."""
    run = engine.submit(make_plan("a"), base=BASE)

    engine.hand_in(claimed(engine, "1"), commit="c1")

    assert store.call("HEXISTS", engine.keys.of("task", f"{run}/a"), "review") == 0


def test_a_fresh_retry_forgets_what_was_said(engine: Engine) -> None:
    """With the attempt that it was said of."""
    run = engine.submit(make_plan("a"), base=BASE)
    engine.hand_in(claimed(engine, "1"), commit="c1", review=SAID)
    [ticket] = engine.begin_merge("merger")
    engine.send_back(ticket, Failure(FailureKind.POLICY, "no"))

    engine.retry(run, "a", fresh=True)

    assert engine.task(run, "a").review == ()
