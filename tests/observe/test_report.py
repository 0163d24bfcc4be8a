"""Reports: what is measured, and how it is written down."""

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from swarm.engine.records import TaskRecord
from swarm.engine.snapshot import Snapshot
from swarm.errors import UsageError
from swarm.models.usage import Usage
from swarm.observe.report import build_report, render_report
from swarm.observe.report_text import next_commands
from swarm.states import RunState

Make = Callable[..., TaskRecord]
MakeSnapshot = Callable[..., Snapshot]

HOSTILE = "bad \x1b[31m]]> & <b>|\x00\ufffe`@all \u202e"


def test_the_wait_for_the_merge_queue_is_not_work(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """A task's duration is claimed to handed in plus merge begun to landed."""
    snapshot = make_snapshot(landed("a", at=(0, 10, 40, 45)), ended_ms=1_800_000_045_000)

    report = build_report(snapshot)

    assert report.tasks[0].duration_s == 15
    assert report.makespan_s == 45


def test_the_lower_bound_is_the_critical_path_when_that_is_longer(
    landed: Make, make_snapshot: MakeSnapshot
) -> None:
    """Two chained tasks of 10 s and 20 s cannot end before 30 s, however many workers there are."""
    tasks = (
        landed("a", at=(0, 10, 10, 10)),
        landed("b", "a", at=(10, 30, 30, 30)),
        landed("c", at=(0, 5, 5, 5)),
    )

    report = build_report(make_snapshot(*tasks, workers=8))

    assert report.lower_bound_s == 30
    assert report.critical_path == ("a", "b")


def test_the_lower_bound_is_the_work_shared_by_the_workers_when_that_is_longer(
    landed: Make, make_snapshot: MakeSnapshot
) -> None:
    """Four independent tasks of 10 s take two workers at least 20 s."""
    tasks = [landed(name, at=(0, 10, 10, 10)) for name in "abcd"]

    report = build_report(make_snapshot(*tasks, workers=2))

    assert report.lower_bound_s == 20


def test_landings_are_not_shared_by_workers(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """Three tasks of 2 s by three workers that land one after another, in 4 s each: at least 12 s."""
    tasks = [landed(name, at=(0, 2, 2 + 4 * place, 6 + 4 * place)) for place, name in enumerate("abc")]

    report = build_report(make_snapshot(*tasks, workers=3, ended_ms=1_800_000_014_000))

    assert report.lower_bound_s == 12
    assert report.lower_bound_s <= report.makespan_s


def test_a_task_that_ended_in_the_queue_was_not_worked_on(
    make_task: Make, make_snapshot: MakeSnapshot
) -> None:
    """Put back after 2 s and cancelled a minute later: the minute is nobody's work."""
    at_ms = 1_800_000_000_000
    task = make_task("a", "cancelled", claimed_ms=at_ms, ended_ms=at_ms + 60_000, busy_ms=2_000, attempt=1)

    report = build_report(make_snapshot(task, workers=1, ended_ms=at_ms + 60_000))

    assert report.tasks[0].duration_s == 0


def test_utilisation_is_the_share_of_the_workers_time_in_which_they_held_a_task(
    landed: Make, make_snapshot: MakeSnapshot
) -> None:
    """Two workers for 100 s, held for 10 s and 40 s: a quarter."""
    tasks = (landed("a", at=(0, 10, 10, 10)), landed("b", at=(0, 40, 40, 90)))

    report = build_report(make_snapshot(*tasks, workers=2))

    assert report.utilisation == 0.25


def test_a_running_task_is_measured_up_to_now(
    make_task: Make, make_snapshot: MakeSnapshot, now_ms: int
) -> None:
    """A report on a run that goes on says what has been used so far."""
    task = make_task("a", "running", attempt=1, claimed_ms=now_ms - 30_000, started_ms=now_ms - 29_000)

    report = build_report(make_snapshot(task))

    assert report.tasks[0].duration_s == 30
    assert report.makespan_s == 100


def test_a_run_is_clean_only_when_it_is_done_and_nobody_had_to_act(
    landed: Make, make_snapshot: MakeSnapshot
) -> None:
    """The share of clean runs is the product's own measure: helped runs do not count."""
    task = landed("a", at=(0, 1, 1, 1))

    by_itself = build_report(make_snapshot(task, state=RunState.DONE))
    helped = build_report(make_snapshot(task, state=RunState.DONE, interventions=1))
    unfinished = build_report(make_snapshot(task))

    assert (by_itself.clean, helped.clean, unfinished.clean) == (True, False, False)


def test_spending_is_added_up_and_what_did_not_land_is_named(
    landed: Make, make_snapshot: MakeSnapshot, usage: Usage
) -> None:
    """Tokens and dollars are those of all attempts; wasted is a part of them."""
    tasks = [landed(name, at=(0, 1, 1, 1), usage=usage, wasted=Usage(cost_microusd=2_500)) for name in "ab"]

    report = build_report(make_snapshot(*tasks))

    assert (report.tokens.input, report.tokens.output, report.tokens.cache_read) == (2000, 400, 100)
    assert (report.cost_usd, report.wasted_cost_usd) == (0.02, 0.005)


def test_a_model_without_a_price_is_not_shown_as_free(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """Nothing paid and nobody knows are two answers."""
    local = landed("a", at=(0, 1, 1, 1), usage=Usage(input_tokens=900, output_tokens=20))

    report = build_report(make_snapshot(local, landed("b", at=(0, 1, 1, 1))))

    assert (report.priced, [row.priced for row in report.tasks]) == (False, [False, True])
    assert "1 task whose price nobody knows" in render_report(report, "text")
    assert "| price unknown |" in render_report(report, "md")


def test_the_json_has_every_documented_field(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """Programs that read reports find these keys, whatever else comes."""
    report = build_report(make_snapshot(landed("a", at=(0, 1, 1, 1))))

    written = json.loads(render_report(report, "json"))

    assert set(written) >= {
        "run", "state", "branch", "tasks_by_state", "attempts", "makespan_s", "lower_bound_s",
        "utilisation", "lock_wait_s", "merges", "conflicts", "gate_failures", "human_interventions",
        "clean", "tokens", "cost_usd", "wasted_cost_usd", "scope",
    }  # fmt: skip
    assert set(written["tokens"]) == {"input", "output", "cache_read"}
    assert written["tasks_by_state"] == {"done": 1}


def test_junit_counts_tasks_failures_and_what_never_ended(
    landed: Make, make_task: Make, make_snapshot: MakeSnapshot
) -> None:
    """A CI server shows the run as a suite: failed with the reason, unfinished as skipped."""
    failed = make_task("b", "failed", attempt=3, failure_kind="gate_failed", failure_reason="3 tests failed")
    snapshot = make_snapshot(landed("a", at=(0, 2, 2, 4)), failed, make_task("c", "upstream_failed", "b"))

    suite = ET.fromstring(render_report(build_report(snapshot), "junit")).find("testsuite")  # noqa: S314  # our own

    assert suite is not None
    assert [suite.get(name) for name in ("tests", "failures", "skipped")] == ["3", "1", "1"]
    failure = suite.find("testcase[@name='b']/failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("gate_failed", "3 tests failed")
    attempts = suite.find("testcase[@name='b']/properties/property[@name='attempts']")
    assert attempts is not None
    assert attempts.get("value") == "3"


def test_junit_stays_xml_whatever_others_wrote(make_task: Make, make_snapshot: MakeSnapshot) -> None:
    """A reason with control characters, markup and non-characters neither breaks nor forges the file."""
    task = make_task("b", "failed", failure_kind="task_error", failure_reason=HOSTILE)

    document = render_report(build_report(make_snapshot(task, goal=HOSTILE)), "junit")

    failure = ET.fromstring(document).find("testsuite/testcase/failure")  # noqa: S314  # our own
    assert failure is not None
    assert failure.text == "bad ]]> & <b>|`@all "


def test_markdown_shows_foreign_text_as_text(make_task: Make, make_snapshot: MakeSnapshot) -> None:
    """No mention, markup, table cell or HTML of a model gets into a pull request."""
    task = make_task("b", "failed", failure_kind="task_error", failure_reason=HOSTILE)

    text = render_report(build_report(make_snapshot(task)), "md")

    assert (
        text.splitlines()[-1]
        == r"- `b` (task_error): its agent or command said no: bad \]\]\> & \<b\>\|\`@" + "\u200ball"
    )


def test_the_text_names_what_to_type_next(make_task: Make, make_snapshot: MakeSnapshot) -> None:
    """After a failure a person is one copied line away from the reason."""
    task = make_task("b", "failed", attempt=1, failure_kind="task_error", failure_reason="no")

    text = render_report(build_report(make_snapshot(task)), "text")

    assert "  swarm why b --run r1\n  swarm logs b --run r1\n  swarm retry r1" in text


def test_a_task_that_failed_before_it_was_begun_has_no_log_to_look_at(
    make_task: Make, make_snapshot: MakeSnapshot
) -> None:
    """Its deadline passed where it waited."""
    task = make_task("b", "failed", failure_kind="timeout", failure_reason="its deadline passed")

    assert next_commands(build_report(make_snapshot(task))) == ["swarm why b --run r1", "swarm retry r1"]


def test_a_cancelled_run_is_looked_at_only_for_what_landed(
    landed: Make, make_task: Make, make_snapshot: MakeSnapshot
) -> None:
    """An empty branch has nothing to show; a retry goes on with either."""
    gone = make_task("b", "cancelled")
    state = RunState.CANCELLED

    nothing = next_commands(build_report(make_snapshot(gone, state=state)))
    something = next_commands(build_report(make_snapshot(landed("a", at=(0, 1, 1, 1)), gone, state=state)))

    base = "b" * 12
    assert nothing == ["swarm retry r1"]
    assert something == [
        f"git log --oneline {base}..swarm/r1",
        f"git diff {base} swarm/r1",
        "swarm diff a --run r1",
        "swarm retry r1",
    ]


def test_a_run_that_is_done_needs_no_retry(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """It can be landed; one that goes on cannot yet."""
    task = landed("a", at=(0, 1, 1, 1))

    done, active = (
        next_commands(build_report(make_snapshot(task, state=state)))
        for state in (RunState.DONE, RunState.ACTIVE)
    )

    assert done == [*active, "swarm land r1 --into BRANCH"]
    assert active[-1] == "swarm diff a --run r1"


def test_an_archived_run_is_begun_anew_instead_of_retried(
    make_task: Make, make_snapshot: MakeSnapshot
) -> None:
    """Redis has forgotten it: a retry would be refused."""
    task = make_task("b", "failed", attempt=1, failure_kind="task_error", failure_reason="no")

    text = render_report(build_report(make_snapshot(task)), "text", anew="swarm run plan.json")

    assert text.endswith("  swarm logs b --run r1\n  swarm run plan.json")


def test_an_empty_run_can_be_reported(make_snapshot: MakeSnapshot) -> None:
    """A run that is still loading has no task, and no division by zero."""
    report = build_report(make_snapshot(workers=0, state=RunState.LOADING))

    assert (report.lower_bound_s, report.utilisation, report.critical_path) == (0, 0, ())


def test_an_unknown_format_names_the_known_ones(make_snapshot: MakeSnapshot) -> None:
    """The next step is in the error."""
    with pytest.raises(UsageError) as caught:
        render_report(build_report(make_snapshot()), "pdf")

    assert "junit" in caught.value.hint
