"""What `swarm run` and `swarm demo` share: start, watch, report, and the exit code."""

import click

from swarm.cli.context import resolve_run
from swarm.cli.output import say
from swarm.cli.plan import summarise_plan
from swarm.engine.engine import Engine
from swarm.engine.snapshot import take_snapshot
from swarm.errors import UnknownRunError
from swarm.fleet.local import LocalFleet
from swarm.fleet.resources import Admission, choose_workers
from swarm.fleet.server_file import has_data
from swarm.local_run import Driven, check_executors, drive, open_queue, run_folder, submit_plan
from swarm.observe.report import build_report, render_report
from swarm.observe.watcher import open_watcher
from swarm.plan.model import Plan
from swarm.repo.hub import Hub
from swarm.settings import Settings
from swarm.states import RunState

PROCESS_MEMORY_MB, PROCESS_CPUS = 512, 0.5
"""What one worker without a container is counted as, when their number is chosen."""

EXIT_DONE, EXIT_FAILED, EXIT_WAITING_FOR_PERSON = 0, 1, 9


class Session:
    """One `swarm run` on this machine."""

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
        check_executors(plan.tasks, self._settings)
        engine = self._connect()
        run = submit_plan(self._settings, engine, plan, key=key)
        record = engine.run(run)
        say(f"run {run}  branch {record.branch}  base {record.base[:12]}")
        return self._see_through(engine, run)

    def resume(self, text: str) -> int:
        """Go on with a run; return the exit code."""
        if not self._settings.redis_url and not has_data(self._settings.home):
            raise UnknownRunError(
                f"no run {text!r}: nothing was ever run here", hint="`swarm run FILE` starts one"
            )
        engine = self._connect()
        run = resolve_run(engine, text)
        record = engine.run(run)
        open_tasks = [task.spec for task in engine.tasks(run) if not task.state.is_terminal]
        check_executors(open_tasks, self._settings)
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
                    driven = drive(self._settings, engine, run, fleet, show=watcher.show)
            finally:
                fleet.stop()
        else:
            driven = Driven(take_snapshot(engine, run))
        return self._finish(driven)

    def _admit(self) -> Admission:
        """How many workers to start; an agent that waits for a model leaves its CPU to others."""
        settings = self._settings
        if settings.isolation == "docker":
            return choose_workers(
                settings.workers, memory_mb_each=settings.memory_mb, cpus_each=settings.cpus
            )
        return choose_workers(settings.workers, memory_mb_each=PROCESS_MEMORY_MB, cpus_each=PROCESS_CPUS)

    def _finish(self, driven: Driven) -> int:
        record = driven.snapshot.run
        hub = Hub.open_or_create(self._settings.hub)
        refusal = hub.publish(self._settings.root, record.branch).reason
        report = build_report(driven.snapshot)
        folder = run_folder(self._settings.home, record.run)
        folder.mkdir(parents=True, exist_ok=True)
        for form, name in (("json", "report.json"), ("md", "report.md"), ("junit", "report.xml")):
            (folder / name).write_text(render_report(report, form), encoding="utf-8")
        click.echo(render_report(report, "json" if self._as_json else "text"))
        if driven.stopped_by:
            say(f"stopped; go on with `swarm run --resume {record.run}`")
            return 128 + driven.stopped_by
        if refusal:
            say(f"not published: {refusal}; then `swarm run --resume {record.run}`")
            return EXIT_WAITING_FOR_PERSON
        return EXIT_DONE if record.state is RunState.DONE else EXIT_FAILED
