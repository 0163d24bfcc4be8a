"""Candidates that an earlier claim left: which of them are still comparable with what the next one makes."""

from swarm.repo.hub.candidates import Candidate, candidate_ref, find_candidates
from swarm.repo.hub.hub import Hub
from swarm.testing.repository import AUTHOR, UserRepository


def commit(hub: Hub, tree_of: str, *parents: str) -> str:
    """A commit in the hub."""
    above = [word for parent in parents for word in ("-p", parent)]
    argv = ["commit-tree", f"{tree_of}^{{tree}}", *above, "-m", "x"]
    return hub.git.run(*argv, env=AUTHOR).decode().strip()


def test_only_what_was_made_from_this_very_base_is_a_candidate(hub: Hub, user: UserRepository) -> None:
    """Not what was made from another base, from nothing, or by two agents one upon another."""
    base = user.head()
    made, elsewhere = commit(hub, base, base), commit(hub, base)
    others = {2: commit(hub, base, elsewhere), 3: elsewhere, 4: commit(hub, base, made)}
    refs = {candidate_ref("r", "t", 1, number): one for number, one in {1: made, **others}.items()}
    hub.create_refs({**refs, candidate_ref("r", "t", 2, 5, has_passed=True): made})

    found = find_candidates(hub, "r", "t", base=base, after=0)

    assert found == {1: Candidate(1, made), 5: Candidate(5, made, has_passed=True)}
    assert find_candidates(hub, "r", "t", base=base, after=1).keys() == {5}
    assert find_candidates(hub, "r", "t", base=elsewhere, after=0).keys() == {2}
