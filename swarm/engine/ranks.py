"""How urgent each task is: the longest estimated path from it to the end of the plan.

The dispatch score packs rank, priority and age into one whole number that a double holds exactly and
`ZRANGE queue:<type> 0 -1 WITHSCORES` shows; the lowest goes first. Of its 15 digits, from the left:
7 for how far the rank (tenths of a second, at most 999,999.9 s) stays below the most there can be,
2 for how far the priority (-49 to 49) stays below 50, and 6 for the age: the task's number among all
tasks submitted to the project, modulo a million.
"""

from swarm.plan.model import MOST_PRIORITY

MOST_TENTHS = 9_999_999
AGES = 1_000_000


def urgency(rank_s: float, priority: int) -> int:
    """The dispatch score without its age: the script that stores the task adds that."""
    tenths = min(max(int(rank_s * 10), 0), MOST_TENTHS)
    ranked = min(max(priority, -MOST_PRIORITY), MOST_PRIORITY)
    return ((MOST_TENTHS - tenths) * 100 + (50 - ranked)) * AGES
