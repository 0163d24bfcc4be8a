"""`swarm init`, `swarm doctor` and `swarm demo`: the first minutes."""

import sys
import tempfile
from pathlib import Path

import click

from swarm.cli.context import Context, pass_context
from swarm.cli.output import emit, say
from swarm.errors import RefusedError


@click.command()
@click.option("--force", is_flag=True, help="Replace a swarm.toml that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
@pass_context
def init(context: Context, force: bool, as_json: bool) -> None:
    """Write a swarm.toml with a gate that fits this repository."""
    settings = context.settings()
    from swarm.repo.hub.user_repository import commit_of
    from swarm.starter import starter_config

    commit_of(settings.root)
    path = settings.root / "swarm.toml"
    if path.exists() and not force:
        raise RefusedError(f"{path} exists", hint="edit it, or replace it with --force")
    text, gate = starter_config(settings.root)
    path.write_text(text, encoding="utf-8")
    if not gate:
        say("warning: no tests were recognised here; put the command that runs yours into [gate.tests]")
    emit(
        {"path": str(path), "gate": gate},
        as_json,
        lambda: f"wrote {path}; commit it: gates are read from the commit that a run starts from",
    )


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
@pass_context
def doctor(context: Context, as_json: bool) -> None:
    """Check what swarm needs here, and say what to do about what is missing."""
    settings = context.settings()
    from swarm.doctor import examine, exit_code_of

    findings = examine(settings)
    emit(
        {"ok": all(f.is_ok or not f.is_needed for f in findings), "checks": [f.as_dict() for f in findings]},
        as_json,
        lambda: "\n".join(f.line() for f in findings),
    )
    sys.exit(exit_code_of(findings))


@click.command()
@click.option("--workers", type=click.IntRange(min=1), default=3, show_default=True, help="Local workers.")
@click.option("--into", type=click.Path(path_type=Path), help="Folder to make; a temporary one by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON and nothing else on stdout.")
def demo(workers: int, into: Path | None, as_json: bool) -> None:
    """Run the whole way on an example: no key, no Docker, no Redis needed."""
    from swarm.cli.plan import plan_text
    from swarm.cli.session import Session
    from swarm.demo.scenario import demo_repository, demo_requirements, demo_script
    from swarm.fleet.server import stop_server
    from swarm.settings import load_settings
    from swarm.testing.scripted_model import ScriptedModel

    if into is not None and into.exists() and any(into.iterdir()):
        raise RefusedError(f"{into} is not empty", hint="name a folder that does not exist yet")
    folder = demo_repository(into or Path(tempfile.mkdtemp(prefix="swarm-demo-")) / "repository")
    say("The model here is a script on localhost that answers as the Messages API does: no key, and the")
    say("cost in the report is what its tokens would have cost.")
    say("Everything else is real: the plan, Redis, locks, git, the gates and the merges.")
    with ScriptedModel(demo_script()) as model:
        environment = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "scripted"}
        flags = {name.lower(): value for name, value in environment.items()}
        settings = load_settings(folder, {"workers": workers, "redis_url": "", **flags})
        session = Session(settings, as_json=as_json, environment=environment)
        try:
            plan = plan_text(settings, demo_requirements(), source="requirements.md", quiet=False)
            session.show_plan(plan)
            code = session.run_plan(plan)
        finally:
            stop_server(settings.home)
    say(f"\nlook further:  cd {folder}")
    for command in ("git log --oneline --graph --all", "swarm report", "swarm show", "swarm events"):
        say(f"  {command}")
    sys.exit(code)
