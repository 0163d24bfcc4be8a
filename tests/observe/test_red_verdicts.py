"""What sent attempts back, told apart: gates, tasks' own acceptance commands, reviewers."""

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from swarm.engine.records import FailedAttempt, TaskRecord
from swarm.engine.snapshot import Snapshot
from swarm.observe.live import render_live
from swarm.observe.pull_request import body_of
from swarm.observe.report import build_report, render_report
from swarm.observe.wording import failure, is_of_the_merge, judged_by

Make = Callable[..., TaskRecord]
MakeSnapshot = Callable[..., Snapshot]

SAID = (
    "tests: exit code 1",
    "acceptance ['pytest']: 'pytest' exited with 1",
    "acceptance 2: exit code 1",
    "none of 3 candidates passed; the last: acceptance ['x']: 'x' exited with 1",
    "review: it is wrong",
)


def tried(*reasons: str) -> tuple[FailedAttempt, ...]:
    """Attempts that were sent back for these reasons."""
    return tuple(
        FailedAttempt(
            number,
            "gate_failed",
            reason,
            retryable=True,
            state="queued",
            worker="w-1",
            executor="command",
            tier="worker",
            since_ms=0,
            ended_ms=2_000,
        )
        for number, reason in enumerate(reasons, 1)
    )


@pytest.fixture
def snapshot(landed: Make, make_task: Make, make_snapshot: MakeSnapshot) -> Snapshot:
    """A run in which two gates were red, three acceptance commands failed, and a reviewer said no."""
    one = landed("a", at=(0, 1, 1, 1), attempt=6, history=tried(*SAID))
    other = make_task("b", "queued", attempt=1)  # it has forgotten that a gate was red
    return make_snapshot(one, other, gate_failures=6, conflicts=1)


def test_every_form_of_the_report_tells_them_apart(snapshot: Snapshot) -> None:
    """They are counted as what they are, and none of them twice."""
    report = build_report(snapshot)
    text, md, junit, data = (render_report(report, form) for form in ("text", "md", "junit", "json"))
    said = "1 conflict, 2 red gates, 3 failed acceptances, 1 rejection by review"

    counted = json.loads(data)
    properties = {one.get("name"): one.get("value") for one in ET.fromstring(junit).iter("property")}  # noqa: S314  # our own
    names = ("gate_failures", "acceptance_failures", "review_rejections")
    assert f"1, {said}\n" in text
    assert f"| merges | 1, {said} |" in md
    assert [counted[name] for name in names] == [2, 3, 1]
    assert [properties[name] for name in names] == ["2", "3", "1"]
    assert said in body_of(report, [])


def test_what_a_run_did_not_have_is_not_named(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """Most plans have neither."""
    report = build_report(make_snapshot(landed("a", at=(0, 1, 1, 1)), gate_failures=1))

    assert "1, 0 conflicts, 1 red gate\n" in render_report(report, "text")


def test_the_live_view_tells_them_apart(snapshot: Snapshot) -> None:
    """In the line of what flows."""
    console = Console(width=140, color_system=None, legacy_windows=False)
    with console.capture() as drawn:
        console.print(render_live(snapshot, 140))

    assert "red gates 2   acceptance 3   reviews 1" in drawn.get()


@pytest.mark.parametrize(
    ("reason", "judge", "is_of_merge"),
    [*zip(SAID, ["gate", *["acceptance"] * 3, "review"], [True, False, True, False, False], strict=True)],
)
def test_a_reason_tells_who_has_judged(reason: str, judge: str, *, is_of_merge: bool) -> None:
    """And whose log has the output: the merge queue asks acceptance commands too."""
    assert judged_by("gate_failed", reason) == judge
    assert is_of_the_merge("gate_failed", reason) is is_of_merge
    assert judged_by("conflict", reason) is None
    assert "gate" not in failure("gate_failed", SAID[2])
