"""A run whose submission was stopped: Redis has the end of its plan only."""

from swarm.engine.encoding import encode_spec
from swarm.engine.engine import Engine
from swarm.engine.submission import SCHEMA, plan_chunks, run_id
from swarm.plan.model import Plan
from swarm.testing.plans import BASE, make_plan, make_task

TASKS = 200
CHAIN = make_plan(*(make_task(f"t{n}", after=[f"t{n - 1}"] if n else []) for n in range(TASKS)))


def store_half(engine: Engine, plan: Plan = CHAIN) -> str:
    """Open the run and store its first chunk, as a submitter does that is then killed; the run's id."""
    specs = [encode_spec(task) for task in plan.tasks]
    run = run_id(engine.project, plan, specs, base=BASE, key="")
    engine._caller.call("open_run", run, plan.goal, f"swarm/{run}", BASE, "", SCHEMA, len(plan.tasks))
    engine._caller.call("submit", run, 0, *next(plan_chunks(plan, specs, 0)))
    return run
