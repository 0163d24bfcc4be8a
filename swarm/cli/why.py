"""`why`: the chain of causes behind a task's state."""

import click

from swarm.cli.context import Context, pass_context, resolve_run, resolve_task, run_option, task_argument
from swarm.cli.output import emit, json_option, state_word


@click.command()
@task_argument
@run_option
@json_option
@pass_context
def why(context: Context, task: str, run: str, as_json: bool) -> None:
    """Say why a task is where it is, link by link.

    TASK is an id or the beginning of one.
    """
    reads = context.reads()
    run = resolve_run(reads, run)
    task = resolve_task(reads, run, task)
    from swarm.engine.snapshot import take_snapshot
    from swarm.engine.views import held_locks
    from swarm.observe.why import causes, next_steps

    snapshot = take_snapshot(reads, run)
    chain = causes(snapshot, held_locks(reads), task)
    steps = next_steps(snapshot, task)
    state = next(record.state for record in snapshot.tasks if record.spec.id == task)

    def text() -> str:
        width = max(len(link.task) + 3 * link.depth for link in chain)
        lines = [f"{task}  {state_word(state)}  (run {run})"]
        for link in chain:
            lead = "   " * link.depth
            lines.append(f"  {(lead + link.task).ljust(width)}  {link.text}")
        return "\n".join([*lines, *(f"next: {step}" for step in steps)])

    emit({"run": run, "task": task, "state": state, "chain": list(chain), "next": list(steps)}, as_json, text)
