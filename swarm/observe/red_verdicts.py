"""How often attempts were sent back by gates, by their tasks' own acceptance commands, and by reviewers."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from swarm.engine.records import RunRecord, TaskRecord
from swarm.observe.wording import judged_by, plural


class RedVerdicts(NamedTuple):
    """Of one run."""

    gates: int
    acceptance: int
    reviews: int

    def __str__(self) -> str:
        """In words; of what a plan need not have only what there was."""
        said = [plural(self.gates, "red gate")]
        said += [plural(self.acceptance, "failed acceptance")] if self.acceptance else []
        said += [plural(self.reviews, "rejection by review", "rejections by review")] if self.reviews else []
        return ", ".join(said)


def count_red(run: RunRecord, tasks: Iterable[TaskRecord]) -> RedVerdicts:
    """Told apart by what tasks remember: the last eight attempts of each that did not land.

    The engine counts all of them as one. What a task has forgotten counts as a gate's.
    """
    judges = Counter(judged_by(one.kind, one.message) for task in tasks for one in task.history)
    others = judges["acceptance"] + judges["review"]
    return RedVerdicts(max(0, run.gate_failures - others), judges["acceptance"], judges["review"])
