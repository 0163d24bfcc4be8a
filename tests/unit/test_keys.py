"""Keys: one slot a project, and names that round-trip."""

import re

import pytest

from swarm.keys import PARTS, Keys, member, split_member


def test_every_key_of_a_project_carries_its_hash_tag() -> None:
    """A Redis Cluster puts all of them in one slot, so that a script may touch any of them."""
    keys = [Keys("shop").of(part, "x") for part in PARTS]

    assert {re.findall(r"\{(.*?)\}", key)[0] for key in keys} == {"shop"}


def test_keys_are_spelled_as_the_readme_documents_them() -> None:
    """redis-cli is a user interface: a change here breaks people's scripts."""
    keys = Keys("shop")

    assert keys.of("queue", "frontend") == "swarm:{shop}:queue:frontend"
    assert keys.of("task", member("r1", "api")) == "swarm:{shop}:task:r1/api"
    assert keys.of("leases") == "swarm:{shop}:leases"


def test_no_two_parts_can_spell_the_same_key() -> None:
    """A name after one prefix never makes another part's key."""
    whole = {text for text in PARTS.values() if not text.endswith(":")}
    prefixes = [text for text in PARTS.values() if text.endswith(":")]

    assert len(set(PARTS.values())) == len(PARTS)
    assert [(p, q) for p in prefixes for q in prefixes if p != q and q.startswith(p)] == []
    assert [(p, w) for p in prefixes for w in whole if w.startswith(p)] == []


def test_an_unknown_part_is_an_error_where_it_is_spelled() -> None:
    """A typo does not quietly make a new key."""
    with pytest.raises(KeyError):
        Keys("shop").of("quue")


@pytest.mark.parametrize(("run", "task"), [("r1", "api"), ("r1", "a/b"), ("20261121-ab", "x.y-z")])
def test_a_member_splits_into_what_it_was_made_of(run: str, task: str) -> None:
    """Run ids hold no slash; whatever follows the first one is the task."""
    assert split_member(member(run, task)) == (run, task)
