"""Random edits coupled to random trains, held to models that apply one attempt after another."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import bare_hub
import pytest
import random_trees
from bare_hub import Bare
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from merge_model import Applied, apply_attempt
from random_trees import BAD, Moved, Tree, moves_of

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
    attempts=st.lists(st.lists(bare_hub.edits, min_size=1, max_size=3), min_size=1, max_size=7),
    most=st.sampled_from((1, 2, 64)),
)
def test_random_trains_land_what_one_at_a_time_would(
    bare: Bare, bench: Workbench, attempts: list[bare_hub.Edits], most: int
) -> None:
    """The refused conflict with what has landed, the condemned turn red what was green; all else landed."""
    base = bare.commit(bare_hub.edited((), 0))
    waiting = [
        ticket_of(number, bare.commit(bare_hub.edited(chosen, number), base), base)
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


@dataclass
class Landed:
    """What a branch was, step by step, as the model has it."""

    trees: list[Tree]
    commits: list[str]
    steps: list[dict[str, str]] = field(default_factory=list)  # which files moved where, in each

    def since(self, base: int) -> Moved:
        """What has become of the tree that an attempt began with."""
        places = {path: path for path in self.trees[base]}
        for step in self.steps[base:]:
            places = {path: step.get(place, place) for path, place in places.items()}
        now = self.trees[-1]
        return Moved(now, moves_of(self.trees[base], now, places))

    def land(self, tree: Tree, commit: str, moves: dict[str, str]) -> None:
        """One attempt more."""
        before = self.trees[-1]
        self.steps.append({old: new for old, new in moves.items() if old in before and new not in before})
        self.trees.append(tree)
        self.commits.append(commit)


@dataclass
class Attempt:
    """What somebody made of one of the trees that have landed."""

    ticket: MergeTicket
    base: int
    made: Moved

    def told(self, landed: Landed, tree: Tree) -> str:
        """What is there at each path that anybody has touched, for whoever reads of a failure."""
        base, tip = landed.trees[self.base], landed.since(self.base)
        sides = {"base": base, "attempt": self.made.tree, "tip": tip.tree, "found": tree}
        paths = sorted({path for side in sides.values() for path in side})
        lines = [f"moves {self.made.moves}, meanwhile {tip.moves}"]
        for path in paths:
            if any(side.get(path) != base.get(path) for side in sides.values()):
                lines += [path, *(f"  {name}: {side.get(path)}" for name, side in sides.items())]
        return "\n".join(lines)

    def on(self, landed: Landed) -> Applied:
        """What the model says of it."""
        return apply_attempt(landed.trees[self.base], self.made, landed.since(self.base))


def is_red(tree: Tree) -> bool:
    """The gate fails on it."""
    return any(BAD.encode() in entry.content for entry in tree.values())


def assert_same(tree: Tree, applied: Applied, told: str) -> None:
    """All is as the model has it; of a file with lines of both sides the order may be another."""
    assert applied.tree is not None, told
    different = {
        path for path in tree.keys() | applied.tree.keys() if tree.get(path) != applied.tree.get(path)
    }
    assert different <= applied.mixed, told
    for path in different:
        found, wanted = tree[path], applied.tree[path]
        event("a file whose lines git aligns otherwise")
        assert found.mode == wanted.mode
        assert Counter(found.content.splitlines()) == Counter(wanted.content.splitlines())


rounds = st.lists(
    st.lists(
        st.tuples(st.integers(0, 9), st.lists(random_trees.edits, min_size=1, max_size=4)),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(first=random_trees.trees(), rounds=rounds, most=st.sampled_from((1, 2, 64)))
def test_whatever_attempts_do_to_whatever_tree_what_lands_is_what_the_model_has(
    bare: Bare,
    bench: Workbench,
    first: Tree,
    rounds: list[list[tuple[int, random_trees.Edits]]],
    most: int,
) -> None:
    """Lines, moves, modes, links, folders, from bases old and new; every refusal has a reason."""
    landed = Landed([first], [bare.commit_tree(first)])
    waiting: list[Attempt] = []
    number = 0
    for chosen in rounds:
        for begun, edits in chosen:
            number += 1
            base = begun % len(landed.trees)
            made = random_trees.edited(landed.trees[base], edits, number)
            commit = bare.commit_tree(made.tree, landed.commits[base])
            waiting.append(Attempt(ticket_of(number, commit, landed.commits[base]), base, made))
        waiting = settle(bare, bench, landed, waiting, most)
    while waiting:
        waiting = settle(bare, bench, landed, waiting, most)
    assert bare.tree(landed.commits[-1]) == landed.trees[-1]


def settle(bare: Bare, bench: Workbench, landed: Landed, waiting: list[Attempt], most: int) -> list[Attempt]:
    """Couple and judge one train; who still waits afterwards."""
    known = {attempt.ticket.task.id: attempt for attempt in waiting}
    tickets = [attempt.ticket for attempt in waiting[:most]]
    train = Coupler(bench, Guard(bare.hub, Guarded())).couple(tickets, landed.commits[-1])
    settled = set()
    for ticket, refusal in train.refused:
        applied = known[ticket.task.id].on(landed)
        event(f"refused: {refusal.outcome}")
        assert applied.tree is None or applied.doubts, (refusal, applied)
        settled.add(ticket.task.id)
    verdict = find_green(train.cars, lambda cars: RED if is_red(bare.tree(cars[-1].tree)) else GateReport())
    for car in verdict.green:
        attempt = known[car.ticket.task.id]
        tree = bare.tree(car.tree)
        assert_same(tree, attempt.on(landed), attempt.told(landed, tree))
        assert not is_red(tree) or is_red(landed.trees[0])
        landed.land(tree, car.commit, attempt.made.moves)
        settled.add(car.ticket.task.id)
    if verdict.culprit:
        culprit = known[verdict.culprit.ticket.task.id]
        applied = culprit.on(landed)
        assert applied.tree is not None
        assert is_red(applied.tree)
        settled.add(culprit.ticket.task.id)
    assert settled, "a train that settles nothing goes on for ever"
    return [attempt for attempt in waiting if attempt.ticket.task.id not in settled]
