"""A plan on its way to the queue: connect to it, see that the plan can be done, store it, open its branch."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from swarm.engine.connect import engine_for
from swarm.engine.engine import Engine
from swarm.engine.records import RunRecord
from swarm.engine.submission import branch_of
from swarm.errors import AuthenticationError, RefusedError, StorePutDownError, UnknownRunError
from swarm.fleet.server import Server, ensure_server, make_home
from swarm.fleet.stopped import is_put_down, start_if_it_died
from swarm.limits import load_limits
from swarm.plan.document import dump_plan
from swarm.plan.model import Plan, TaskSpec, with_reviews
from swarm.repo.gates.definitions import load_gates
from swarm.repo.gates.guarded import load_guarded
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import describe_hub, name_hub, refuse_other_hub
from swarm.repo.hub.opening import open_hub
from swarm.repo.hub.user_repository import commit_of, refuse_sha256, repository_identity
from swarm.repo.merging.reconcile import Reconciler, find_frozen
from swarm.settings import Settings
from swarm.states import RunState

PATIENCE_S = 2.0
SUBMIT_AGAIN = "submit it again: the same plan starts the server, and goes on where it stopped"


def open_queue(settings: Settings) -> tuple[Engine, Server]:
    """Connect to the queue, starting the embedded server where none is configured.

    Raises:
        RepositoryError: there is no commit to work on, or none that a hub can hold; nothing was started or
            written.
    """
    refuse_sha256(settings.root, commit_of(settings.root))
    server = ensure_server(settings)
    # Short patience: whoever watches looks again anyway, and must see soon that Redis is away.
    is_gone = partial(_is_put_down, settings)
    return engine_for(settings, server.url, patience_s=PATIENCE_S, is_put_down=is_gone), server


def _is_put_down(settings: Settings) -> bool:
    """Whether a person stopped the server that does not answer; one that died is started on the way."""
    start_if_it_died(settings)
    return is_put_down(settings)


def ended_before(record: RunRecord) -> str:
    """Say of a run that had ended when its plan was submitted again how to do the plan all the same."""
    again = "" if record.state is RunState.DONE else f"`swarm retry {record.run}` goes on with it, "
    return f"this plan was run on this commit, and ended: {record.state}; {again}--key NAME makes a new run"


def check_executors(tasks: Iterable[TaskSpec], settings: Settings) -> None:
    """Make sure that local workers can do every task.

    Raises:
        AuthenticationError: a task needs a model, and neither a credential nor an endpoint is set.
    """
    needy = next((task for task in tasks if task.needs_model), None)
    if needy is not None and not settings.has_model_credential and not settings.anthropic_base_url:
        raise AuthenticationError(
            f"task {needy.id!r} needs a model ({needy.model_is_for}), and no credential is set",
            hint="set ANTHROPIC_API_KEY; plans of `command` tasks and `swarm demo` need none",
        )


def refuse_frozen(hub: Hub, engine: Engine, run: str, base: str) -> None:
    """Refuse a run whose records in git contradict each other, before anybody works on it for nothing.

    Raises:
        RefusedError: with what to do first.
        OtherHubError: it is in another hub.
    """
    with suppress(UnknownRunError):
        refuse_other_hub(hub, engine.run(run))
    hub.mirror_run(run, branch_of(run))
    if frozen := find_frozen(hub, run, branch_of(run), base):
        put = f"if it was moved back, put it back: `{frozen.command}`; then submit the plan again"
        hint = put if frozen.command else f"mend the branch or its refs in {describe_hub(hub)}"
        raise RefusedError(frozen.reason, hint=f"{hint}, or make a new run of it: --key NAME")


def submit_plan(
    settings: Settings,
    engine: Engine,
    plan: Plan,
    *,
    key: str = "",
    deadline_s: float | None = None,
    fail_fast: bool = False,
) -> str:
    """Bring HEAD into the hub, store the plan, open its branch; return the run id.

    Safe to repeat after a crash at any point: each step finds what the one before left.

    Raises:
        RepositoryError: there is no commit to start from.
        ConfigError: a gate or the guard in its swarm.toml, or the limits in this one, are malformed.
        HubUnreachableError: the git server that hosts share could not be asked.
        OtherHubError: the run is in another hub.
        RefusedError: what git says of the run contradicts itself.
        StorePutDownError: a person has stopped the embedded server meanwhile.
    """
    limits = load_limits(settings.root)
    make_home(settings.home)
    hub = open_hub(settings)
    base = hub.import_base(settings.root)
    load_gates(hub, base)
    load_guarded(hub, base)
    hub.share_base(base)
    named = (name_hub(hub), describe_hub(hub))
    identity = repository_identity(settings.root)
    plan = with_reviews(plan, by_default=settings.review)
    try:
        refuse_frozen(hub, engine, engine.run_id(plan, base=base, key=key), base)
        run = engine.submit(
            plan,
            base=base,
            key=key,
            repository=identity,
            hub=named,
            deadline_s=deadline_s,
            fail_fast=fail_fast,
        )
    except StorePutDownError as error:
        raise StorePutDownError(error.message, hint=SUBMIT_AGAIN) from error
    for kind, most in limits.items():
        engine.limit(kind, most)
    record = engine.run(run)
    refuse_other_hub(hub, record)
    if hub.start_branch(record.branch, base) != base:
        # It was run before, and Redis has forgotten it: what landed then is not done again.
        Reconciler(engine, hub).reconcile_run(record)
    folder = settings.run_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(dump_plan(plan), encoding="utf-8")
    return run
