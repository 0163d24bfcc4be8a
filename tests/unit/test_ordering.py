"""Which tasks of a plan are ordered, asked for many pairs at once."""

from collections.abc import Iterator
from typing import ClassVar

from swarm.plan.ordering import unordered
from swarm.testing.plans import make_plan, make_task


class Counted(tuple[int, int]):
    """A pair that counts how often it is looked into."""

    __slots__ = ()
    looks: ClassVar[int] = 0

    def __iter__(self) -> Iterator[int]:
        Counted.looks += 1
        return super().__iter__()


def test_each_pair_is_looked_at_once_however_large_the_plan() -> None:
    """Not once for each 4,096 first tasks: a plan of 20,000 has hundreds of thousands of pairs."""
    count = 9_000
    plan = make_plan(
        *(make_task(f"t{n}", after=[f"t{n - 1}"] if n % 3 == 1 else []) for n in range(count + 1))
    )
    Counted.looks = 0

    found = unordered(plan, (Counted((n, n + 1)) for n in range(count)))

    assert found == {(n, n + 1) for n in range(count) if n % 3 != 0}
    assert Counted.looks == count
