"""`cost`: what a run has spent on models."""

from typing import TYPE_CHECKING

import click

from swarm.cli.context import Context, find_run, pass_context, run_argument
from swarm.cli.output import emit, json_option, table
from swarm.observe.wording import money, one_line, plural, price

if TYPE_CHECKING:
    from swarm.engine.records import TaskRecord


@click.command()
@run_argument
@json_option
@pass_context
def cost(context: Context, run: str, as_json: bool) -> None:
    """Show what a run has spent on models.

    RUN is an id, the beginning of one, or `latest` (the default). Wasted is what attempts spent
    that did not land.
    """
    reads = context.reads()
    run = find_run(reads, run)
    tasks = reads.tasks(run)
    total = sum(task.usage.cost_microusd for task in tasks)
    wasted = sum(task.wasted.cost_microusd for task in tasks)
    data = {
        "run": run,
        "cost_usd": total / 1e6,
        "wasted_cost_usd": wasted / 1e6,
        "priced": all(task.usage.is_priced for task in tasks),
        "tokens": {
            "input": sum(task.usage.input_tokens for task in tasks),
            "output": sum(task.usage.output_tokens for task in tasks),
            "cache_read": sum(task.usage.cache_read_tokens for task in tasks),
        },
        "tasks": [_task_data(task) for task in tasks],
    }
    emit(data, as_json, lambda: _text(tasks, total, wasted))


def _task_data(task: "TaskRecord") -> dict[str, object]:
    return {
        "id": task.spec.id,
        "tier": task.spec.tier,
        "attempts": task.attempt,
        "tokens": {
            "input": task.usage.input_tokens,
            "output": task.usage.output_tokens,
            "cache_read": task.usage.cache_read_tokens,
        },
        "cost_usd": task.usage.cost_microusd / 1e6,
        "priced": task.usage.is_priced,
        "wasted_cost_usd": task.wasted.cost_microusd / 1e6,
    }


def _text(tasks: "list[TaskRecord]", total: int, wasted: int) -> str:
    spenders = sorted(tasks, key=lambda task: -task.usage.cost_microusd)
    rows = [
        (
            one_line(task.spec.id, 40),
            task.spec.tier,
            str(task.attempt),
            str(task.usage.input_tokens),
            str(task.usage.output_tokens),
            str(task.usage.cache_read_tokens),
            price(task.usage.cost_microusd, is_priced=task.usage.is_priced),
            price(task.wasted.cost_microusd, is_priced=task.wasted.is_priced),
        )
        for task in spenders
        if task.usage.input_tokens or task.usage.cost_microusd
    ]
    if not rows:
        return "no model was called"
    heads = ("TASK", "TIER", "ATTEMPTS", "INPUT", "OUTPUT", "CACHED", "COST", "WASTED")
    listed = table(heads, rows, right=(2, 3, 4, 5, 6, 7))
    unknown = sum(not task.usage.is_priced for task in tasks)
    beside = f", and {plural(unknown, 'task')} whose price nobody knows" if unknown else ""
    return f"{listed}\n\n{money(total)} in all, of which {money(wasted)} did not land{beside}"
