"""How urgent each task is: the longest estimated path from it to the end of the plan.

The dispatch score packs rank, priority and age into one whole number that a double holds exactly and
`ZRANGE queue:<type> 0 -1 WITHSCORES` shows; the lowest goes first. Of its 15 digits, from the left:
7 for how far the rank stays below the most there can be, 2 for how far the priority (-49 to 49) stays
below 50, and 6 for the age: the task's number among all tasks submitted to the project, modulo a million.

The 7 digits are steps of a logarithm, so that two ranks that differ by one part in 400,000 are told
apart whether they are milliseconds or weeks; steps of a fixed length make equals of all short tasks.
"""

import math

from swarm.plan.model import MOST_PRIORITY

MOST_STEPS = 9_999_999
MOST_RANK_S = 1e7
"""About 115 days; ranks above it count as equal."""
FINEST_S = 1e-3
"""Below it the scale turns linear: the clock that measures tasks has whole milliseconds."""
AGES = 1_000_000

_STEPS_A_FOLD = MOST_STEPS / math.log1p(MOST_RANK_S / FINEST_S)


def urgency(rank_s: float, priority: int) -> int:
    """The dispatch score without its age: the script that stores the task adds that."""
    steps = round(math.log1p(min(max(rank_s, 0.0), MOST_RANK_S) / FINEST_S) * _STEPS_A_FOLD)
    ranked = min(max(priority, -MOST_PRIORITY), MOST_PRIORITY)
    return ((MOST_STEPS - steps) * 100 + (50 - ranked)) * AGES


def without_age(score: int) -> int:
    """The urgency in a dispatch score."""
    return score - score % AGES


def rank_of(score: int) -> float:
    """The rank in a dispatch score, in seconds, to within its last digit."""
    steps = MOST_STEPS - score // (100 * AGES)
    return math.expm1(steps / _STEPS_A_FOLD) * FINEST_S
