"""The report as JUnit XML: the run is a suite, a task is a test case, its attempts are properties."""

from junitparser import Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from swarm.observe.person import words_for
from swarm.observe.report_data import Report, ScopeFit, TaskRow
from swarm.observe.wording import failure, failure_with_reason, printable
from swarm.states import TaskState


def render_junit(report: Report) -> str:
    """JUnit XML; a failed task is a failure with its reason, one that never ended is skipped."""
    suite = TestSuite(printable(f"swarm {report.run}"))
    for name, value in _properties(report).items():
        suite.add_property(name, printable(value))
    suite.add_testcases([_case(row, report.run) for row in report.tasks])
    suite.time = report.makespan_s
    document = JUnitXml("swarm")
    document.add_testsuite(suite)
    document.time = report.makespan_s
    written: bytes = document.tostring()
    body = written.decode("utf-8").removeprefix("<?xml version='1.0' encoding='utf8'?>\n")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'


def _case(row: TaskRow, run: str) -> TestCase:
    case = TestCase(printable(row.id), classname=printable(f"swarm.{run}.{row.type}"), time=row.duration_s)
    properties = Properties()
    for name, value in {
        "state": row.state,
        "attempts": str(row.attempts),
        "failures": str(row.failures),
        "crashes": str(row.crashes),
        "lock_wait_s": str(row.lock_wait_s),
        "commit": row.commit,
        "cost_usd": f"{row.cost_usd:.6f}",
        **_scope_properties(row.scope),
        **({"widened": ", ".join(row.widened)} if row.widened else {}),
        **({"review": "\n".join(row.review)} if row.review else {}),
        **({"red_advisory": ", ".join(row.red_advisory)} if row.red_advisory else {}),
        **({"gates_not_run": ", ".join(row.gates_not_run)} if row.gates_not_run else {}),
        **({"gates_hollow": ", ".join(row.gates_hollow)} if row.gates_hollow else {}),
        **({"landed_nothing": "true"} if row.landed_nothing else {}),
        **({"left_out": row.left_out} if row.left_out else {}),
    }.items():
        properties.add_property(Property(name, printable(value)))
    case.append(properties)
    tried = _tried(row)
    if row.state == TaskState.FAILED:
        words = failure(row.failure_kind, row.failure_reason)
        said, told = row.failure_reason or words, tried
        if row.waits_for_approval:  # red all the same: a suite that is green would hide it
            said, told = f"{words}: {said}", [f"next: {word}" for word in words_for(run, row.id)]
        failed = Failure(printable(said), printable(row.failure_kind))
        failed.text = printable("\n".join([said, *told]))
        case.result = [failed]
    elif tried:
        case.system_out = printable("\n".join(tried))
    if row.state not in {TaskState.FAILED, TaskState.DONE}:
        case.result = [Skipped(printable(row.state.replace("_", " ")))]
    return case


def _tried(row: TaskRow) -> list[str]:
    """Each attempt that did not land, in words, and the end of what the last of them left."""
    attempts = (
        f"attempt {one.attempt} on {one.worker}: {failure_with_reason(one.kind, one.message)}"
        for one in row.history
    )
    return [*attempts, *row.evidence]


def _properties(report: Report) -> dict[str, str]:
    return {
        "state": report.state,
        "goal": report.goal,
        "branch": report.branch,
        "tip": report.tip,
        **({"unpublished": report.unpublished} if report.unpublished else {}),
        "attempts": str(report.attempts),
        "makespan_s": str(report.makespan_s),
        "lower_bound_s": str(report.lower_bound_s),
        "utilisation": str(report.utilisation),
        "merges": str(report.merges),
        "conflicts": str(report.conflicts),
        "gate_failures": str(report.gate_failures),
        "acceptance_failures": str(report.acceptance_failures),
        "review_rejections": str(report.review_rejections),
        "human_interventions": str(report.human_interventions),
        "clean": str(report.clean).lower(),
        "cost_usd": f"{report.cost_usd:.6f}",
        **_scope_properties(report.scope),
    }


def _scope_properties(fit: ScopeFit | None) -> dict[str, str]:
    """Recall and precision; neither where nothing was touched."""
    if fit is None or fit.recall is None:
        return {}
    return {"scope_recall": str(fit.recall), "scope_precision": str(fit.precision)}
