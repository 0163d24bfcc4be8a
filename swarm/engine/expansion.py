"""What the script that expands a task is told: the tasks in its place, with their own names and ranks."""

from typing import TYPE_CHECKING

from swarm.engine.claims import Claim
from swarm.engine.encoding import encode_spec
from swarm.engine.ranks import rank_of, urgency
from swarm.engine.submission import INLINE, MANY, task_entry
from swarm.plan.graph import walk_up
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.subplan import accepted, check_size, placed

if TYPE_CHECKING:
    from swarm.engine.reads import Reads


def expansion_arguments(queue: "Reads", claim: Claim, plan: Plan) -> list[str | int]:
    """How many tasks, the sinks, then what each of them is; the task's acceptance judges the last.

    A task `sub` is called `<task>.sub`, or `<task>.<attempt>.sub` where one of those names is taken: by the
    plan itself, or by an expansion that a person has undone.

    Raises:
        PlanError: more than one script can store.
    """
    check_size(plan, claim.task)
    plan = accepted(plan, claim.task)
    named = placed(plan, f"{claim.task.id}.")
    if queue.known_ids(claim.run, list(named.by_id)):
        named = placed(plan, f"{claim.task.id}.{claim.attempt}.")
    known = {task.id: (rank_s, after) for task, rank_s, after in walk_up(named)}
    sinks = [task.id for task in named.tasks if not known[task.id][1]]
    # On top of the task's own rank: whatever waits for it waits for all of its parts.
    own_rank_s = rank_of(queue.progress(claim.run, [claim.task.id])[0].score)
    words: list[str | int] = [len(named.tasks), "\n".join(sinks)]
    for task in named.tasks:
        rank_s, after = known[task.id]
        after = after or [claim.task.id]
        is_list = len(after) > INLINE
        score = urgency(own_rank_s + rank_s, task.priority)
        words += task_entry(task, encode_spec(task), score, MANY if is_list else "\n".join(after))
        words += ["\n".join(after) if is_list else "", _deadline(task)]
    return words


def _deadline(task: TaskSpec) -> str:
    """Ms after the run's submission; nothing for none."""
    return "" if task.deadline_s is None else str(round(task.deadline_s * 1000))
