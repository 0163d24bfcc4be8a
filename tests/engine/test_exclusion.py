"""Lock sets in words say the same as the locks themselves."""

from itertools import product
from random import Random

from swarm.engine.exclusion import Followers, excludes, exclusion_of
from swarm.engine.locks import LockEntry
from swarm.testing.checker_keys import overlap

NODES = ("", "a/", "a/b/", "a/b/c/", "a/bc/", "ab/", "b/a/")


def test_two_locks_exclude_each_other_where_they_overlap() -> None:
    """Every pair of modes, extents and nodes: also of a folder and a name that begins like it."""
    entries = [LockEntry(mode, node, wide) for mode, node, wide in product("XS", NODES, (True, False))]

    for one, other in product(entries, entries):
        assert excludes(exclusion_of([one]), exclusion_of([other])) == overlap(one, other), (one, other)


def test_sets_exclude_each_other_when_any_two_of_their_locks_do() -> None:
    """Random sets of up to four; both answers come up."""
    chance = Random(5)
    found = set[bool]()
    for _ in range(2_000):
        one, other = (
            [
                LockEntry(chance.choice("XSS"), chance.choice(NODES[1:]), is_wide=chance.random() < 0.3)
                for _ in range(chance.randrange(5))
            ]
            for _ in range(2)
        )
        expected = any(overlap(mine, theirs) for mine, theirs in product(one, other))

        assert excludes(exclusion_of(one), exclusion_of(other)) == expected, (one, other)
        found.add(expected)
    assert found == {True, False}


def test_the_next_in_line_is_the_first_later_one_that_is_excluded() -> None:
    """As when all later ones are looked at one by one."""
    chance = Random(6)
    row = [
        exclusion_of(
            [LockEntry(chance.choice("XS"), chance.choice(NODES[1:]), is_wide=chance.random() < 0.2)]
        )
        for _ in range(300)
    ]
    followers = Followers(row)

    for number, one in enumerate(row):
        later = (n for n in range(number + 1, len(row)) if excludes(one, row[n]))
        assert followers.after(number) == next(later, None)
