"""What `swarm run` and `swarm demo` share: show the plan, see a run through, print how it ended."""

from functools import partial

import click

from swarm.archive.shelf import Shelf
from swarm.cli.context import resolve_run
from swarm.cli.output import say
from swarm.cli.plan import summarise_plan
from swarm.local_run import LocalRun
from swarm.observe.report import render_report
from swarm.plan.model import Plan
from swarm.settings import Settings
from swarm.submitting import check_executors


class Session:
    """One `swarm run` on this machine."""

    def __init__(
        self, settings: Settings, *, as_json: bool, environment: dict[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._as_json = as_json
        self._local = LocalRun(settings, tell=say, environment=environment)

    def check_place(self) -> None:
        """Refuse at once where nothing could run; nothing is started or written."""
        self._local.check_place()

    def show_plan(self, plan: Plan) -> None:
        """Say on stderr what is about to run, if local workers can do it."""
        check_executors(plan.tasks, self._settings)
        say(summarise_plan(plan))
        if self._settings.isolation == "process":
            say("isolation: process - agents run as your user; use it for repositories that you trust")

    def run_plan(
        self, plan: Plan, *, key: str = "", deadline_s: float | None = None, fail_fast: bool = False
    ) -> int:
        """Submit and see it through; return the exit code."""
        return self._see_through(self._local.begin(plan, key=key, deadline_s=deadline_s, fail_fast=fail_fast))

    def resume(self, text: str) -> int:
        """Go on with a run; return the exit code."""
        return self._see_through(
            self._local.take_up(text, partial(resolve_run, shelf=Shelf(self._settings.runs)))
        )

    def _see_through(self, run: str) -> int:
        ended = self._local.see_through(run, quiet=self._as_json)
        click.echo(render_report(ended.report, "json" if self._as_json else "text"))
        if ended.remark:
            say(ended.remark)
        return ended.exit_code
