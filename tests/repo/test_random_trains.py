"""Random edits coupled to random trains, held to git's own merges of one attempt after another."""

from collections.abc import Iterator, Sequence

import pytest
from bare_hub import Bare, Edits, edited, edits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.engine.claims import MergeTicket
from swarm.plan.model import TaskSpec
from swarm.repo.gates.gate import GateReport, GateResult
from swarm.repo.gates.guarded import Guarded
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.approvals import Guard
from swarm.repo.merging.landing import Outcome
from swarm.repo.merging.train import Car, Coupler, find_green

RED = GateReport((GateResult("tests", ("grep",), 1, 0.1, ""),))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """One hub for all examples."""
    return Bare(Hub.open_or_create(tmp_path_factory.mktemp("hub") / "repo.git"))


@pytest.fixture(scope="module")
def bench(bare: Bare) -> Iterator[Workbench]:
    """One workbench: starting its processes is most of what an example costs."""
    with Workbench(bare.hub.path) as made:
        yield made


def ticket_of(number: int, commit: str, base: str) -> MergeTicket:
    """The right to merge it, as far as git is concerned."""
    spec = TaskSpec(id=f"t{number}", description="x", files=("**",))
    return MergeTicket("r", spec, 1, 1, number + 1, 99, commit, base, "swarm/r", 30_000, "m")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    attempts=st.lists(st.lists(edits, min_size=1, max_size=3), min_size=1, max_size=7),
    most=st.sampled_from((1, 2, 64)),
)
def test_random_trains_land_what_one_at_a_time_would(
    bare: Bare, bench: Workbench, attempts: list[Edits], most: int
) -> None:
    """The refused conflict with what has landed, the condemned turn red what was green; all else landed."""
    base = bare.commit(edited((), 0))
    waiting = [
        ticket_of(number, bare.commit(edited(chosen, number), base), base)
        for number, chosen in enumerate(attempts)
    ]
    guard, tip, model_tip = Guard(bare.hub, Guarded()), base, base
    while waiting:
        train = Coupler(bench, guard).couple(waiting[:most], tip)

        def judge(cars: Sequence[Car]) -> GateReport:
            return RED if bare.is_bad(cars[-1].tree) else GateReport()

        verdict = find_green(train.cars, judge)
        for ticket, refusal in train.refused:
            assert refusal.outcome == Outcome.CONFLICT
            assert bare.merged(model_tip, ticket.commit) is None
        for car in verdict.green:
            landed = bare.merged(model_tip, car.ticket.commit)
            assert landed is not None
            assert bare.files(car.tree) == bare.files(landed)
            assert car.changes_something == (bare.files(landed) != bare.files(model_tip))
            model_tip = landed
        tip = verdict.green[-1].commit if verdict.green else tip
        assert not bare.is_bad(tip)
        if verdict.culprit:
            with_it = bare.merged(model_tip, verdict.culprit.ticket.commit)
            assert with_it is not None
            assert bare.is_bad(with_it)
        settled = [ticket for ticket, _ in train.refused] + [car.ticket for car in verdict.green]
        settled += [verdict.culprit.ticket] if verdict.culprit else []
        assert settled, "a train that settles nothing goes on for ever"
        waiting = [ticket for ticket in waiting if ticket not in settled]
    assert bare.files(tip) == bare.files(model_tip)
