"""`swarm bench engine`: what the queue costs on this machine, on a server of its own."""

import sys
from pathlib import Path

import click

from swarm.cli.context import Context, pass_context
from swarm.cli.output import emit, json_option, say, table
from swarm.cli.unwinding import unwound_by_signals
from swarm.errors import UsageError

GATED = {"chain": 2, "fan": 3}
"""Workloads that begin when all is stored, as a hop is what they measure; and their fewest tasks."""


@click.group()
def bench() -> None:
    """Measure swarm on this machine."""


@bench.command()
@click.option(
    "--workload",
    type=click.Choice(["independent", "chain", "fan", "layered"]),
    default="layered",
    show_default=True,
)
@click.option("--dag", type=click.Path(path_type=Path), help="A graph instead: [[id, [dependencies]], …].")
@click.option(
    "--tasks",
    type=click.IntRange(1, 200_000),
    default=2000,
    show_default=True,
    help="With --dag: no more of its tasks than so many, the first in topological order; all by default.",
)
@click.option("--workers", type=click.IntRange(1, 256), default=2, show_default=True, help="Real processes.")
@click.option("--files", type=click.IntRange(0, 64), default=0, help="Files that each task locks for itself.")
@click.option("--reads", type=click.IntRange(0, 64), default=0, help="Files that each task shares.")
@click.option("--reps", type=click.IntRange(1, 99), default=1, help="Runs; the figures are medians.")
@click.option("--aof", is_flag=True, help="With an append-only file, synced every second, as in real runs.")
@json_option
@pass_context
def engine(
    context: Context,
    workload: str,
    dag: Path | None,
    tasks: int,
    workers: int,
    files: int,
    reads: int,
    reps: int,
    aof: bool,
    as_json: bool,
) -> None:
    """Run no-op tasks through the real engine in real worker processes.

    Checks that each ran once, after its dependencies, and is done to the engine. A private server is
    started, and stopped again.
    """
    import tempfile

    from swarm.bench.engine import Bench, engine_worker, load_engine, measure, unfinished_in_engine
    from swarm.bench.graphs import WORKLOADS, read_graph
    from swarm.bench.medians import medians
    from swarm.bench.server import private_server

    if dag:
        _refuse_beside_dag()
        tasks = tasks if _is_given("tasks") else sys.maxsize
    elif tasks < GATED.get(workload, 1):
        raise UsageError(
            f"--tasks: {workload!r} has at least {GATED[workload]} tasks, got {tasks}",
            hint="a single task is `--workload independent --tasks 1`",
        )
    graph = read_graph(context.path(dag))[:tasks] if dag else WORKLOADS[workload](tasks)
    if not graph:
        raise UsageError("the graph has no task", hint="write at least one")
    runs = []
    with (
        unwound_by_signals(),
        tempfile.TemporaryDirectory(prefix="swarm-bench-") as folder,
        private_server(Path(folder), aof=aof) as url,
    ):
        for number in range(reps):
            if reps > 1:
                say(f"run {number + 1} of {reps}")
            runs.append(
                measure(
                    Bench(url, Path(folder)),
                    graph,
                    workers=workers,
                    worker=engine_worker,
                    load=lambda at, what: load_engine(at, what, files=files, reads=reads),
                    is_gated=not dag and workload in GATED,
                    unfinished=unfinished_in_engine,
                )
            )
    result = medians(runs)
    name = str(dag) if dag else workload
    emit({"workload": name, "reps": reps, "aof": aof, **result}, as_json, lambda: _render(name, result))


def _refuse_beside_dag() -> None:
    """--dag is the graph: what would make another says nothing beside it."""
    if _is_given("workload"):
        raise UsageError("--dag and --workload: only one of them", hint="--dag says which tasks there are")


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def _render(name: str, result: dict[str, float | None]) -> str:
    rows = [
        [key, "-" if value is None else f"{value:,.3f}".rstrip("0").rstrip(".")]
        for key, value in result.items()
    ]
    checked = "checked: each task ran once, after its dependencies, and is done to the engine"
    return f"{table([name, ''], rows, right=(1,))}\n\n{checked}"
