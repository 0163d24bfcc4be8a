"""What must hold of an integration branch after any crash: the part of the checker that reads git alone."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from swarm.repo.git.trailers import Landed
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import hash_task


def check_history(hub_path: Path, branch: str, done_tasks: Iterable[str]) -> list[str]:
    """Violations of I2 and I5 on one branch; empty when there are none.

    I2: each done task has exactly one landing on the first-parent history, or a record that it changed
    nothing; no other task has one; and done-refs say the same. Of a task that was expanded the parts land,
    so it is not among the done ones; nor is one that was not handed in. I5: fences strictly rise.
    """
    hub = Hub(hub_path)
    run = branch.rpartition("/")[2]
    landings = _landings(hub, run, branch)
    return [
        *_check_trailers(hub, run, landings, set(done_tasks)),
        *_check_guards(hub, run, landings),
        *_check_fences(hub, branch, landings),
    ]


def _landings(hub: Hub, run: str, branch: str) -> tuple[Landed, ...]:
    """Everything that has landed since the commit that the run began with.

    That is the newest imported one, but for what the run itself has landed: whoever takes its branch into
    another one imports that.
    """
    tip = hub.tip(branch)
    if tip is None:
        return ()
    bases = {ref.rpartition("/")[2] for ref in hub.refs_under("refs/swarm/base/")}
    history = hub.git.one_line("rev-list", "--first-parent", tip).splitlines()
    for since in (commit for commit in history if commit in bases):
        landed = hub.landings(branch, f"{since}^")[:1] if hub.resolve(f"{since}^") else ()
        if not any(one.commit == since and one.run == run for one in landed):
            return hub.landings(branch, since)
    return ()


def _check_trailers(hub: Hub, run: str, landings: tuple[Landed, ...], done: set[str]) -> list[str]:
    unchanged = {ref.rpartition("/")[2] for ref in hub.refs_under(f"refs/swarm/unchanged/{run}/")}
    count = Counter(landed.task for landed in landings)
    wrong = [f"I2: task {task!r} has landed {n} times" for task, n in sorted(count.items()) if n > 1]
    wrong += [f"I2: task {task!r} has landed but is not done" for task in sorted(count.keys() - done)]
    wrong += [
        f"I2: task {task!r} is done, but has neither landed nor been found to change nothing"
        for task in sorted(done - count.keys())
        if hash_task(task) not in unchanged
    ]
    return wrong + [f"I2: {each.commit} is of run {each.run!r}" for each in landings if each.run != run]


def _check_guards(hub: Hub, run: str, landings: tuple[Landed, ...]) -> list[str]:
    guards = {ref.rpartition("/")[2]: commit for ref, commit in hub.done_refs(run).items()}
    landed = {hash_task(each.task): each.commit for each in landings}
    return [
        f"I2: the done-ref {name} says {guards.get(name)}, the branch says {landed.get(name)}"
        for name in sorted(guards.keys() | landed.keys())
        if guards.get(name) != landed.get(name)
    ]


def _check_fences(hub: Hub, branch: str, landings: tuple[Landed, ...]) -> list[str]:
    tokens = [landed.merge_token for landed in landings]
    fence = hub.fence(branch)
    wrong = [
        f"I5: the fence of {later.commit} is {later.merge_token}, after {earlier.merge_token}"
        for earlier, later in pairwise(landings)
        if later.merge_token <= earlier.merge_token
    ]
    if tokens and fence < max(tokens):
        wrong.append(f"I5: the fence ref says {fence}, but {max(tokens)} has landed")
    return wrong
