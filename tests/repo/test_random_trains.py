"""Random edits of random repositories, coupled to random trains, held to a model of one at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from bare_hub import Bare
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from random_trees import Steps, edited, edits, trees
from tree_merge import Tree, may_be_guessed, models

from swarm.engine.claims import MergeTicket
from swarm.plan.model import TaskSpec
from swarm.repo.gates.gate import GateReport, GateResult
from swarm.repo.gates.guarded import Guarded
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.approvals import Guard
from swarm.repo.merging.landing import NotLandingError, Outcome
from swarm.repo.merging.train import Car, Coupler, find_green

RED = GateReport((GateResult("tests", ("grep",), 1, 0.1, ""),))
MOST_TRAINS = 40


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """One hub for all examples."""
    return Bare(Hub.open_or_create(tmp_path_factory.mktemp("hub") / "repo.git"))


@pytest.fixture(scope="module")
def bench(bare: Bare) -> Iterator[Workbench]:
    """One workbench: starting its processes is most of what an example costs."""
    with Workbench(bare.hub.path) as made:
        yield made


def is_bad(tree: Tree) -> bool:
    """The gate is red on it."""
    return any(b"new 2" in node.content and b"new 1" in node.content for node in tree.values())


@dataclass(frozen=True)
class Drawn:
    """One attempt: how many landings before the last it began at, whether as another one, and its edits."""

    age: int
    is_again: bool
    steps: Steps


drawn = st.builds(Drawn, st.integers(0, 3), st.integers(0, 5).map(lambda die: die == 5), edits)


class Play:
    """The branch as the model has it, and attempts that wait."""

    def __init__(self, bare: Bare, base: Tree) -> None:
        self.bare = bare
        self.trees = [base]
        self.commits = [bare.plant(base)]
        self.waiting: dict[MergeTicket, tuple[int, Tree]] = {}
        self.made = 0
        self._last: Steps = ()

    def begin(self, attempt: Drawn) -> None:
        """An attempt is handed in; one without a change is what it began with, as a worker's is."""
        began = max(0, len(self.trees) - 1 - attempt.age)
        self._last = self._last if attempt.is_again and self._last else attempt.steps
        base, tree = self.commits[began], edited(self.trees[began], self._last)
        commit = base if tree == self.trees[began] else self.bare.plant(tree, base)
        spec = TaskSpec(id=f"t{self.made}", description="x", files=("**",))
        self.made += 1
        number = self.made
        ticket = MergeTicket("r", spec, 1, 1, number, 99, commit, base, "swarm/r", 30_000, "m")
        self.waiting[ticket] = (began, tree)

    def land(self, car: Car) -> None:
        """It is a right merge, and the branch goes on from it."""
        self.see_right(car)
        tree = self.bare.tree(car.tree)
        assert car.changes_something == (tree != self.trees[-1])
        if car.changes_something:
            self.trees.append(tree)
            self.commits.append(car.commit)
        del self.waiting[car.ticket]

    def see_right(self, car: Car) -> None:
        """The model allows this tree: the one right result, or one of several by some diff."""
        began, tree = self.waiting[car.ticket]
        allowed = [
            model
            for model in models([self.trees[began], tree], self.trees[began:])
            if model.allows(self.bare.tree(car.tree))
        ]
        assert allowed, "what landed is not what both sides come to"
        event("landed, one right result" if allowed[0].is_clean else "landed, doubtful")

    def refuse(self, ticket: MergeTicket, refusal: NotLandingError) -> None:
        """The model sees a conflict too, or the sides touch, or git may have guessed a move."""
        began, tree = self.waiting.pop(ticket)
        found = list(models([self.trees[began], tree], self.trees[began:]))
        if refusal.outcome == Outcome.REFUSED:
            assert str(refusal).startswith("the merge does not add up: ")
            assert any(model.doubtful for model in found), f"a false alarm: {refusal}"
            event("refused, does not add up")
            return
        assert refusal.outcome == Outcome.CONFLICT
        event("refused, conflict")
        assert not all(model.is_clean for model in found) or may_be_guessed(
            self.trees[began], tree, self.trees[-1]
        ), f"no conflict: {refusal}"


@settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    base=trees(),
    rounds=st.lists(st.lists(drawn, min_size=1, max_size=4), min_size=1, max_size=3),
    most=st.sampled_from((1, 2, 64)),
)
def test_random_trains_land_what_one_at_a_time_would(
    bare: Bare, bench: Workbench, *, base: Tree, rounds: list[list[Drawn]], most: int
) -> None:
    """What lands is right, what is refused conflicts with what has landed, the condemned turned it red."""
    play, guard, left = Play(bare, base), Guard(bare.hub, Guarded()), list(rounds)
    red = is_bad(base)
    for _ in range(MOST_TRAINS):
        for attempt in left.pop(0) if left else ():
            play.begin(attempt)
        if not (play.waiting or left):
            break
        before = len(play.waiting)
        train = Coupler(bench, guard).couple(list(play.waiting)[:most], play.commits[-1])

        def judge(cars: Sequence[Car]) -> GateReport:
            return RED if not red and is_bad(bare.tree(cars[-1].tree)) else GateReport()

        verdict = find_green(train.cars, judge)
        for ticket, refusal in train.refused:
            play.refuse(ticket, refusal)
        for car in verdict.green:
            play.land(car)
        assert red or not is_bad(play.trees[-1])
        if verdict.culprit:
            play.see_right(verdict.culprit)
            assert is_bad(bare.tree(verdict.culprit.tree))
            del play.waiting[verdict.culprit.ticket]
        assert len(play.waiting) < before or not before, "a train that settles nothing goes on for ever"
    assert not play.waiting
    assert bare.tree(play.commits[-1]) == play.trees[-1]
