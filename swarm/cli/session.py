"""What `swarm run` and `swarm demo` share: start, watch, report, and the exit code."""

import click

from swarm.cli.context import resolve_run
from swarm.cli.output import say
from swarm.cli.plan import summarise_plan
from swarm.engine.engine import Engine
from swarm.engine.snapshot import Snapshot, take_snapshot
from swarm.fleet.local import LocalFleet
from swarm.fleet.resources import Admission, choose_workers
from swarm.local_run import drive, open_queue, run_folder, submit_plan
from swarm.observe.report import build_report, render_report
from swarm.observe.report_data import Report
from swarm.observe.watcher import open_watcher
from swarm.plan.model import Plan
from swarm.repo.hub import Hub
from swarm.settings import Settings
from swarm.states import RunState

PROCESS_MEMORY_MB, PROCESS_CPUS = 512, 0.5
"""What one worker without a container is counted as, when their number is chosen."""

EXIT_DONE, EXIT_FAILED, EXIT_NOT_FINISHED, EXIT_INTERRUPTED = 0, 1, 8, 130


class Session:
    """One `swarm run` on this machine."""

    report: Report | None = None  # once the run was seen through

    def __init__(
        self, settings: Settings, *, as_json: bool, environment: dict[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._as_json = as_json
        self._environment = environment or {}

    def show_plan(self, plan: Plan) -> None:
        """Say on stderr what is about to run."""
        say(summarise_plan(plan))
        if self._settings.isolation == "process":
            say("isolation: process - agents run as your user; use it for repositories that you trust")

    def run_plan(self, plan: Plan, *, key: str = "") -> int:
        """Submit and see it through; return the exit code."""
        engine = self._connect()
        run = submit_plan(self._settings, engine, plan, key=key)
        record = engine.run(run)
        say(f"run {run}  branch {record.branch}  base {record.base[:12]}")
        return self._see_through(engine, run)

    def resume(self, text: str) -> int:
        """Go on with a run; return the exit code."""
        engine = self._connect()
        run = resolve_run(engine, text)
        record = engine.run(run)
        hub = Hub.open_or_create(self._settings.hub)
        hub.start_branch(record.branch, record.base)
        say(f"resuming run {run}  branch {record.branch}")
        return self._see_through(engine, run)

    def _connect(self) -> Engine:
        engine, server = open_queue(self._settings)
        self._url = server.url
        for warning in engine.check_server():
            say(f"warning: {warning}")
        return engine

    def _see_through(self, engine: Engine, run: str) -> int:
        if not engine.run(run).state.is_terminal:
            admission = self._admit()
            if admission.reason:
                say(admission.reason)
            fleet = LocalFleet(self._settings, self._url, admission.workers, self._environment)
            fleet.start()
            try:
                with open_watcher(engine, run, quiet=self._as_json) as watcher:
                    snapshot = drive(self._settings, engine, run, fleet, show=watcher.show)
            finally:
                fleet.stop()
        else:
            snapshot = take_snapshot(engine, run)
        return self._finish(snapshot)

    def _admit(self) -> Admission:
        """How many workers to start; an agent that waits for a model leaves its CPU to others."""
        settings = self._settings
        if settings.isolation == "docker":
            return choose_workers(
                settings.workers, memory_mb_each=settings.memory_mb, cpus_each=settings.cpus
            )
        return choose_workers(settings.workers, memory_mb_each=PROCESS_MEMORY_MB, cpus_each=PROCESS_CPUS)

    def _finish(self, snapshot: Snapshot) -> int:
        record = snapshot.run
        hub = Hub.open_or_create(self._settings.hub)
        refusal = hub.publish(self._settings.root, record.branch).reason
        report = self.report = build_report(snapshot)
        folder = run_folder(self._settings.home, record.run)
        folder.mkdir(parents=True, exist_ok=True)
        for form, name in (("json", "report.json"), ("md", "report.md"), ("junit", "report.xml")):
            (folder / name).write_text(render_report(report, form), encoding="utf-8")
        click.echo(render_report(report, "json" if self._as_json else "text"))
        if refusal:
            say(f"warning: branch {record.branch} was not published: {refusal}")
        return _exit_code(record.state)


def _exit_code(state: RunState) -> int:
    if state is RunState.DONE:
        return EXIT_DONE
    return EXIT_FAILED if state.is_terminal else EXIT_INTERRUPTED
