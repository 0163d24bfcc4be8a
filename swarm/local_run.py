"""One run on this machine: hand the plan over, see it through, publish, report."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from swarm.archive.archiver import Archiver
from swarm.base_check import BaseCheck, judging_notes, red_on_base
from swarm.driving import Driven, drive, refuse_loading
from swarm.engine.ranking import Ranking
from swarm.engine.reads import Reads
from swarm.engine.records import RunRecord
from swarm.engine.snapshot import take_snapshot
from swarm.errors import (
    StoreReplyError,
    StoreUnreachableError,
    UnknownRunError,
)
from swarm.fleet.leftovers import sweep_leftovers
from swarm.fleet.local import LocalFleet
from swarm.fleet.resources import Admission, choose_workers
from swarm.fleet.server import ensure_server
from swarm.fleet.server_file import has_data
from swarm.observe.left_out import read_left_out
from swarm.observe.report import build_report, render_report
from swarm.observe.report_data import Report
from swarm.observe.watcher import open_watcher
from swarm.plan.model import Plan, with_reviews
from swarm.repo.changed import touched_paths
from swarm.repo.hub.opening import open_hub_for
from swarm.repo.hub.user_repository import commit_of, repository_identity
from swarm.repo.merging.gate_notes import read_notes
from swarm.settings import Settings
from swarm.states import RunState
from swarm.submitting import check_executors, ended_before, open_queue, submit_plan
from swarm.verdict import Verdict, publish_here, verdict_on

PROCESS_MEMORY_MB, PROCESS_CPUS = 512, 0.5
"""What one worker without a container is counted as, when their number is chosen."""


@dataclass(frozen=True)
class Ended:
    """How a run on this machine ended: the report, the exit code, and what to say beside the report."""

    report: Report
    exit_code: int
    remark: str = ""


class LocalRun:
    """One run with its processes on this machine: `begin` or `take_up`, then `see_through`.

    Args:
        tell: says to a person how it is going.
        environment: what the workers get besides the settings.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        tell: Callable[[str], None],
        environment: dict[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._environment = environment or {}
        self._base_check: BaseCheck | None = None
        self._store_again: Callable[[], str] | None = None

    def check_place(self) -> None:
        """Find out what would stop any run here; nothing is started or written.

        Raises:
            RepositoryError: there is no commit to work on.
            StoreUnreachableError: the configured Redis does not answer.
        """
        commit_of(self._settings.root)
        if self._settings.redis_url:
            ensure_server(self._settings)

    def begin(
        self, plan: Plan, *, key: str = "", deadline_s: float | None = None, fail_fast: bool = False
    ) -> str:
        """Submit a plan; return the run's id."""
        plan = with_reviews(plan, by_default=self._settings.review)
        check_executors(plan.tasks, self._settings)
        self._connect()
        run = submit_plan(
            self._settings, self._engine, plan, key=key, deadline_s=deadline_s, fail_fast=fail_fast
        )
        record = self._engine.run(run)
        self._tell(f"run {run}  branch {record.branch}  base {record.base[:12]}")
        if record.state.is_terminal:
            self._tell(ended_before(record))
        else:
            for note in judging_notes(self._settings, record.base, plan.tasks):
                self._tell(note)
        # On the base that it has: HEAD may have moved since.
        self._store_again = partial(
            self._engine.submit,
            plan,
            base=record.base,
            key=key,
            repository=repository_identity(self._settings.root),
            hub=(record.hub_id, record.hub),
            deadline_s=deadline_s,
            fail_fast=fail_fast,
        )
        self._base_check = BaseCheck(self._settings, record.base, run_folder=self._settings.run_folder(run))
        return run

    def take_up(self, text: str, find: Callable[[Reads, str], str]) -> str:
        """Go on with the run that `find` finds for `text`, once there is a queue to ask; return its id.

        Raises:
            UnknownRunError: nothing was ever run here.
        """
        if not self._settings.redis_url and not has_data(self._settings.home):
            raise UnknownRunError(
                f"no run {text!r}: nothing was ever run here", hint="`swarm run FILE` starts one"
            )
        self._connect()
        run = find(self._engine, text)
        record = self._engine.run(run)
        if record.state is RunState.LOADING:
            refuse_loading(run)
        open_tasks = [task.spec for task in self._engine.tasks(run) if not task.state.is_terminal]
        check_executors(open_tasks, self._settings)
        hub = open_hub_for(self._settings, record)
        hub.start_branch(record.branch, record.base)
        self._tell(f"resuming run {run}  branch {record.branch}")
        return run

    def see_through(self, run: str, *, quiet: bool) -> Ended:
        """Do the run's work, show it on stderr unless `quiet`, publish and report."""
        if self._engine.run(run).state.is_terminal:
            return self._finish(Driven(take_snapshot(self._engine, run)))
        admission = self._admit()
        if admission.reason:
            self._tell(admission.reason)
        Ranking(self._engine).refresh(workers=admission.workers, now_ms=self._engine.now_ms())
        fleet = LocalFleet(self._settings, self._server.url, admission.workers, self._environment)
        fleet.start()
        check = self._base_check
        if check:
            check.start()
        try:
            with open_watcher(self._engine, run, since=self._since, quiet=quiet) as watcher:
                driven = drive(
                    self._settings,
                    self._engine,
                    run,
                    fleet,
                    show=watcher.show,
                    check=check,
                    store_again=self._store_again,
                )
        finally:
            fleet.stop()
            sweep_leftovers(self._settings.home / "workspaces")
            if check:
                check.end()
        return self._finish(driven)

    def _connect(self) -> None:
        self._engine, self._server = open_queue(self._settings)
        for warning in self._engine.check_server():
            self._tell(f"warning: {warning}")
        self._since = self._engine.last_event_id()

    def _admit(self) -> Admission:
        """How many workers to start; an agent that waits for a model leaves its CPU to others."""
        settings = self._settings
        if settings.isolation == "docker":
            return choose_workers(
                settings.workers, memory_mb_each=settings.memory_mb, cpus_each=settings.cpus
            )
        return choose_workers(settings.workers, memory_mb_each=PROCESS_MEMORY_MB, cpus_each=PROCESS_CPUS)

    def _finish(self, driven: Driven) -> Ended:
        record = driven.snapshot.run
        unpublished = publish_here(self._settings, record)
        folder = self._settings.run_folder(record.run)
        touched = touched_paths(self._settings, record, driven.snapshot.tasks)
        notes = read_notes(self._settings.home, record.run, driven.snapshot.tasks)
        red = red_on_base(folder)
        report = build_report(
            driven.snapshot,
            red_on_base=red,
            touched=touched,
            notes=notes,
            left_out=read_left_out(self._settings.home, record.run, driven.snapshot.tasks),
            unpublished=unpublished,
        )
        folder.mkdir(parents=True, exist_ok=True)
        for form, name in (("json", "report.json"), ("md", "report.md"), ("junit", "report.xml")):
            (folder / name).write_text(render_report(report, form), encoding="utf-8")
        self._archive(record)
        verdict = (
            Verdict(128 + driven.stopped_by, f"stopped; go on with `swarm run --resume {record.run}`")
            if driven.stopped_by
            else verdict_on(record, driven.snapshot.tasks, unpublished=unpublished)
        )
        return Ended(report, verdict.exit_code, verdict.remark)

    def _archive(self, record: RunRecord) -> None:
        """Leave nothing of a run that has ended to Redis alone; a supervisor does what cannot be done now."""
        if not record.state.is_terminal:
            return
        try:
            Archiver(self._engine, self._settings).finish(record.run)
        except (StoreUnreachableError, StoreReplyError, OSError) as error:
            self._tell(f"warning: run {record.run} is not archived yet: {error}")
