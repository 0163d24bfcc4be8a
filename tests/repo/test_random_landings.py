"""The merge queue on a real Redis: random attempts and commits by hand, held to the model of landing."""

from collections import Counter
from typing import NamedTuple

from bare_hub import Bare, plant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from merge_board import WORKER, Board, task
from random_trees import Steps, edited, edits, trees
from tree_merge import Tree, may_be_guessed, models

from swarm.engine.claims import Claim
from swarm.plan.model import Plan
from swarm.plan.scope import WriteScope
from swarm.repo.git.command import Git
from swarm.repo.hub.refs import attempt_ref
from swarm.repo.merging.merge_queue import Landing, Outcome

SCOPES = {"one": ("a", "a/**"), "two": ("b", "c"), "three": ("d", "d/**"), "four": ("g", "g/**")}


class Round(NamedTuple):
    """What the attempts that can begin do, which of them wait a round, and what a person commits."""

    attempts: list[Steps]
    late: set[int]
    beyond: set[int]  # attempts that leave their scope
    by_hand: Steps


rounds = st.lists(
    st.builds(
        Round,
        st.lists(edits, min_size=4, max_size=4),
        st.sets(st.integers(0, 3), max_size=2),
        st.sets(st.integers(0, 9), max_size=1),
        st.one_of(st.just([]), edits),
    ),
    min_size=1,
    max_size=3,
)


class Session:
    """One run, and its branch as the model has it."""

    def __init__(self, board: Board, base: Tree) -> None:
        self.board, self.bare = board, Bare(board.hub)
        commit = plant(Git.at(board.user.path / ".git"), base)
        board.hub.import_base(board.user.path, commit)
        plan = Plan(tuple(task(name, *files) for name, files in SCOPES.items()))
        # Another key each time: the same plan on the same base would be the run of an example before.
        board.run = board.engine.submit(plan, base=commit, key=str(len(board.engine.run_ids())))
        board.hub.start_branch(board.branch, commit)
        self.commits, self.trees = [commit], [base]
        self.claims: list[Claim] = []
        self.attempts: dict[str, tuple[int, Tree]] = {}  # task -> where it began, and what it handed in

    def claim_all(self) -> None:
        """Every task that can begin does, at what has landed."""
        self.board.claims += 1
        while claim := self.board.engine.claim(WORKER, f"claim-{self.board.claims}"):
            self.board.engine.start(claim)
            self.claims.append(claim)
            self.board.claims += 1

    def hand_in(self, claim: Claim, chosen: Steps, *, is_beyond: bool) -> None:
        """An attempt of these edits, within its scope or not."""
        began = self.commits.index(claim.base)
        base, scope = self.trees[began], WriteScope(SCOPES[claim.task.id])
        own = {path: node for path, node in base.items() if is_beyond or scope.covers(path)}
        changed = {
            path: node for path, node in edited(own, chosen).items() if is_beyond or scope.covers(path)
        }
        tree = {path: node for path, node in base.items() if path not in own} | changed
        commit = claim.base if tree == base else self.bare.plant(tree, claim.base)
        self.board.hub.create_refs({attempt_ref(claim.run, claim.task.id, claim.attempt): commit})
        self.board.engine.hand_in(claim, commit=commit)
        self.attempts[claim.task.id] = (began, tree)
        self.claims.remove(claim)

    def commit_by_hand(self, chosen: Steps) -> None:
        """A person moves the branch."""
        tree = edited(self.trees[-1], chosen)
        if tree != self.trees[-1]:
            commit = self.bare.plant(tree, self.commits[-1])
            self.board.hub.create_refs({f"refs/heads/{self.board.branch}": commit})
            self.trees.append(tree)
            self.commits.append(commit)

    def see(self, landing: Landing, tip: int) -> None:
        """The model agrees with the verdict; `tip` is where the branch was before the train."""
        began, tree = self.attempts.pop(landing.task)
        sides, base = [self.trees[began], tree], self.trees[began]
        if landing.outcome in {Outcome.LANDED, Outcome.UNCHANGED}:
            result = self.bare.tree(landing.commit)
            assert any(model.allows(result) for model in models(sides, self.trees[began:])), landing
            assert (landing.outcome == Outcome.LANDED) == (result != self.trees[-1])
            if landing.outcome == Outcome.LANDED:
                self.trees.append(result)
                self.commits.append(landing.commit)
            return
        landed = self.trees[began : tip + 1]
        found = list(models(sides, landed))
        if landing.outcome == Outcome.OUT_OF_SCOPE:
            scope = WriteScope(SCOPES[landing.task])
            own = {path for path in base.keys() | tree.keys() if base.get(path) != tree.get(path)}
            assert not all(map(scope.covers, own)), landing
        elif landing.outcome == Outcome.REFUSED:
            assert landing.reason.startswith("the merge does not add up: "), landing
            assert any(model.doubtful for model in found), landing
        else:
            assert landing.outcome == Outcome.CONFLICT, landing
            is_clean = all(model.is_clean for model in found)
            assert not is_clean or may_be_guessed(base, tree, landed[-1]), landing


@settings(
    max_examples=20,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(base=trees(), played=rounds, most=st.sampled_from((1, 3, 64)))
def test_the_queue_lands_what_the_model_does(
    board: Board, *, base: Tree, played: list[Round], most: int
) -> None:
    """Each verdict is the model's, the branch is its tree, no task lands twice, the checker is content."""
    session, queue = Session(board, base), board.queue(most=most)
    told = Counter[str]()
    for number, one in enumerate(played):
        session.claim_all()
        is_last = number == len(played) - 1
        for at, claim in enumerate(list(session.claims)):
            if is_last or at not in one.late:
                session.hand_in(claim, one.attempts[at], is_beyond=at in one.beyond)
        session.commit_by_hand(one.by_hand)
        while session.attempts:
            tip = len(session.trees) - 1
            landings = queue.land_train()
            assert landings, "what was handed in is judged"
            for landing in landings:
                session.see(landing, tip)
                told[landing.task] += landing.outcome == Outcome.LANDED

    assert session.bare.tree(board.branch) == session.trees[-1]
    assert all(count <= 1 for count in told.values())
    assert board.violations() == []
    queue.close()
    board.engine.cancel(board.run)
