"""Reports of what failed or was sent back: why, and with what evidence, in every form."""

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from swarm.engine.records import Event, FailedAttempt, TaskRecord
from swarm.engine.snapshot import Snapshot
from swarm.observe.report import build_report, render_report
from swarm.observe.report_text import next_commands
from swarm.observe.story import tell_event
from swarm.observe.wording import failure, is_of_the_merge, last_lines

Make = Callable[..., TaskRecord]
MakeSnapshot = Callable[..., Snapshot]

RED = "tests: exit code 1"
OWN = "acceptance ['pytest']: 'pytest' exited with 1"
OUTPUT = f"{RED}\n$ pytest -q\n\nE   assert 1 == 2\n1 failed in 0.1s\n"
LINES = ["tests: exit code 1", "$ pytest -q", "E   assert 1 == 2", "1 failed in 0.1s"]


def tried(message: str, *, attempt: int = 1, state: str = "queued") -> FailedAttempt:
    """An attempt of 2 s that a gate sent back."""
    return FailedAttempt(
        attempt=attempt,
        kind="gate_failed",
        message=message,
        retryable=True,
        state=state,
        worker="w-1",
        executor="command",
        tier="worker",
        since_ms=0,
        ended_ms=2_000,
    )


def failed(make_task: Make, reason: str = RED, evidence: str = OUTPUT) -> TaskRecord:
    """A task whose only attempt a gate did not let through."""
    return make_task(
        "b", "failed", attempt=1, failure_kind="gate_failed", failure_reason=reason, evidence=evidence,
        history=(tried(reason, state="failed"),),
    )  # fmt: skip


def test_markdown_shows_what_the_gate_printed(make_task: Make, make_snapshot: MakeSnapshot) -> None:
    """The reviewer of a pull request sees the failure, and need not find the log."""
    text = render_report(build_report(make_snapshot(failed(make_task))), "md")

    assert text.partition("## What failed\n\n")[2].splitlines() == [
        "- `b` (gate_failed): a gate was red on the merged tree: tests: exit code 1",
        "  - attempt 1, 2.0s on w-1: a gate was red on the merged tree: tests: exit code 1",
        "",
        "  ```text",
        *(f"  {line}" for line in LINES),
        "  ```",
        "",
    ]


def test_what_was_sent_back_and_landed_later_is_told_as_well(
    landed: Make, make_snapshot: MakeSnapshot
) -> None:
    """Why it took two attempts; in JSON and JUnit too."""
    task = landed("a", at=(0, 1, 1, 1), attempt=2, evidence=OUTPUT, history=(tried(RED),))
    report = build_report(make_snapshot(task))

    markdown, junit, data = (render_report(report, form) for form in ("md", "junit", "json"))

    said = markdown.partition("## What was sent back before\n\n")[2].splitlines()
    assert said[:2] == [
        "- `a`: done since",
        "  - attempt 1, 2.0s on w-1: a gate was red on the merged tree: tests: exit code 1",
    ]
    assert [line.strip() for line in said if line.strip() in LINES] == LINES
    out = ET.fromstring(junit).find("testsuite/testcase/system-out")  # noqa: S314  # our own
    assert out is not None
    assert (out.text or "").splitlines()[1:] == LINES
    assert json.loads(data)["tasks"][0]["evidence"] == LINES


def test_a_failed_test_case_has_attempts_and_evidence(make_task: Make, make_snapshot: MakeSnapshot) -> None:
    """A CI server shows the text of a failure."""
    junit = render_report(build_report(make_snapshot(failed(make_task))), "junit")

    told = ET.fromstring(junit).find("testsuite/testcase/failure")  # noqa: S314  # our own
    assert told is not None
    assert (told.text or "").splitlines() == [
        RED,
        "attempt 1 on w-1: a gate was red on the merged tree: tests: exit code 1",
        *LINES,
    ]


@pytest.mark.parametrize("run", [3, 4, 9])
def test_evidence_does_not_end_its_own_block(make_task: Make, make_snapshot: MakeSnapshot, run: int) -> None:
    """Backticks of any number, escapes and bidi characters in a gate's output stay in its block, as text."""
    hostile = f"{'`' * run}\n# owned @all\n\x1b[31mred\x1b[0m \u202e<b>\n"

    text = render_report(build_report(make_snapshot(failed(make_task, evidence=hostile))), "md")

    fence = "`" * max(3, run + 1)
    block = text.partition(f"\n  {fence}text\n")[2]
    assert block == f"  {'`' * run}\n  # owned @all\n  red <b>\n  {fence}\n\n"


def test_evidence_is_bounded_to_its_end() -> None:
    """64 KiB would drown a pull request; of a progress bar what stood there last counts."""
    many = "".join(f"line {number}\n" for number in range(100))

    shown = last_lines(many + "x" * 5_000 + "\n" + "\r".join(f"{n}%" for n in range(101)) + "\r\n\n \n")

    assert shown[0] == "… 82 lines before"
    assert shown[1] == "line 82"
    assert len(shown[-2]) == 200
    assert shown[-1] == "100%"
    assert len(shown) == 21
    assert last_lines("") == ()


@pytest.mark.parametrize(
    ("kind", "reason", "words", "is_red"),
    [
        ("gate_failed", RED, "a gate was red on the merged tree", True),
        ("gate_failed", "acceptance 2: exit code 1", "its acceptance failed on the merged tree", True),
        ("gate_failed", OWN, "its acceptance failed in its workspace", False),
        ("gate_failed", "review: loses a line", "its reviewer did not approve it", False),
        (
            "gate_failed",
            f"none of 3 candidates passed; the last: {OWN}",
            "its acceptance failed in its workspace",
            False,
        ),
        ("task_error", OWN, "its agent or command said no", False),
        ("a kind of a later version", "", "a kind of a later version", False),
    ],
)
def test_what_never_reached_the_merge_is_worded_apart(
    kind: str, reason: str, words: str, *, is_red: bool
) -> None:
    """A person looks in the right place: the workspace's output, or the merged tree's."""
    assert (failure(kind, reason), is_of_the_merge(kind, reason)) == (words, is_red)


def test_the_log_of_a_gate_is_named_only_where_one_was_red(
    make_task: Make, make_snapshot: MakeSnapshot
) -> None:
    """An attempt that failed in its workspace has none."""
    merged, own = (
        next_commands(build_report(make_snapshot(failed(make_task, reason)))) for reason in (RED, OWN)
    )

    assert merged[1] == "swarm logs b --run r1 --gate"
    assert own[1] == "swarm logs b --run r1"


def test_what_reviewers_said_of_what_landed_is_reported(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """A minor finding of an approved attempt reaches whoever merges the branch, in every form."""
    said = ("approved: fine", "minor: f:1: `x` is *odd*")
    report = build_report(make_snapshot(landed("a", at=(0, 1, 1, 1), review=said)))

    markdown, junit, data = (render_report(report, form) for form in ("md", "junit", "json"))

    assert markdown.partition("## What reviewers said\n\n")[2].splitlines() == [
        "- `a`: approved: fine",
        r"  - minor: f:1: \`x\` is \*odd\*",
    ]
    found = ET.fromstring(junit).find(".//property[@name='review']")  # noqa: S314  # our own
    assert found is not None
    assert found.get("value") == "\n".join(said)
    assert json.loads(data)["tasks"][0]["review"] == list(said)


def test_progress_tells_an_own_acceptance_from_a_red_gate() -> None:
    """On a terminal the line goes by before any report is written."""
    fields = {"kind_of_failure": "gate_failed", "reason": OWN}

    told = tell_event(Event("1-0", "task_sent_back", "r1", "a", fields))

    assert told == f"a goes back to the queue: its acceptance failed in its workspace: {OWN}"


def test_a_thousand_failures_do_not_make_a_book(make_task: Make, make_snapshot: MakeSnapshot) -> None:
    """Every one is named; the evidence of the first fifty is there, and where the rest is."""
    tasks = [failed(make_task)._replace(spec=make_task(f"t{n}", "failed").spec) for n in range(1_000)]

    text = render_report(build_report(make_snapshot(*tasks)), "md")

    assert text.count("(gate_failed): a gate was red") == 1_000
    assert text.count("```text") == 50
    assert text.endswith("\nOf 950 tasks more `swarm why TASK` has the evidence.\n")
