"""Precision and recall of write scopes: what they are, and how reports say them."""

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from swarm.engine.records import TaskRecord
from swarm.engine.snapshot import Snapshot
from swarm.observe.report import build_report, render_report
from swarm.observe.scopes import fit_of, sum_of

Make = Callable[..., TaskRecord]
MakeSnapshot = Callable[..., Snapshot]
AT = (0, 1, 1, 1)


@pytest.mark.parametrize(
    ("declared", "touched", "precision", "recall"),
    [
        (["a.py"], ["a.py"], 1, 1),
        (["a.py", "b.py"], ["a.py"], 0.5, 1),
        (["a.py"], ["a.py", "b.py"], 1, 0.5),
        (["src/**"], ["src/a.py", "src/b/c.py"], 1, 1),
        (["src/*.py", "docs/"], ["src/b/c.py"], 0, 0),
        (["docs", "docs/*.md"], ["docs/x.md"], 1, 1),  # a path may match more patterns than one
        ([r"pages/\[id].tsx"], ["pages/[id].tsx"], 1, 1),
        ([], ["a.py"], None, None),
        (["a.py"], [], None, None),
        ([], [], None, None),
    ],
)
def test_precision_and_recall_compare_patterns_and_paths(
    declared: list[str], touched: list[str], precision: float | None, recall: float | None
) -> None:
    """Of the patterns, those that something matches; of the paths, those that something covers."""
    fit = fit_of(declared, touched)

    assert (fit.precision, fit.recall) == (precision, recall)


def test_a_runs_shares_are_of_all_patterns_and_all_paths() -> None:
    """Not the mean of shares: a task with nine paths counts nine times."""
    fit = sum_of([fit_of(["a"], ["a"]), fit_of(["b", "c"], [f"b/{n}" for n in range(7)] + ["x", "y"])])

    assert (fit.matched, fit.declared, fit.inside, fit.touched) == (2, 3, 8, 10)
    assert (fit.precision, fit.recall) == (0.6667, 0.8)


def test_what_was_declared_is_what_the_plan_said(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """What widened the scope was not declared: it costs recall."""
    task = landed("a", at=AT, spec={"files": ("a.py", "b.py")}, widened=("b.py",))

    report = build_report(make_snapshot(task), touched={"a": ("a.py", "b.py")})

    assert report.tasks[0].scope == fit_of(["a.py"], ["a.py", "b.py"])
    assert report.scope.recall == 0.5


def test_every_form_says_both_shares_and_what_was_widened(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """Markdown says what the words mean, too; foreign names are text in it."""
    odd = "b`|@all.py"
    task = landed("a", at=AT, spec={"files": ("a.py", "c.py", odd)}, widened=(odd,))
    report = build_report(make_snapshot(task), touched={"a": ("a.py", odd)})

    text, markdown, junit, data = (render_report(report, form) for form in ("text", "md", "junit", "json"))

    for shown in (text, markdown):
        assert "50%: 1 of 2 touched paths declared" in shown
        assert "50%: 1 of 2 declared patterns touched" in shown
        assert "1 write scope: a" in shown
    assert f"widened by {odd}, cccccccccccc" in text
    assert "| recall | precision |" in markdown
    assert "| 50% | 50% | `cccccccccccc` |" in markdown
    assert "Recall is the share of touched paths that are inside the declared scope; precision" in markdown
    assert "## What widened a write scope\n\n- `a`: b\\`\\|@\u200ball.py\n" in markdown
    for path in ("testsuite/properties", "testsuite/testcase/properties"):
        properties = ET.fromstring(junit).find(path)  # noqa: S314  # our own
        assert properties is not None
        values = {one.get("name"): one.get("value") for one in properties}
        assert (values["scope_recall"], values["scope_precision"]) == ("0.5", "0.5")
    assert json.loads(data)["tasks"][0]["widened"] == [odd]


@pytest.mark.parametrize(
    ("is_landed", "said"), [(True, "what was touched is not known here"), (False, "nothing was touched")]
)
def test_where_nothing_was_touched_that_is_said(
    landed: Make, make_task: Make, make_snapshot: MakeSnapshot, *, is_landed: bool, said: str
) -> None:
    """No 0/0, and no share that looks like one; what git does not know here is another answer."""
    task = landed("a", at=AT) if is_landed else make_task("a", "done")
    report = build_report(make_snapshot(task))

    text, markdown, junit, data = (render_report(report, form) for form in ("text", "md", "junit", "json"))

    assert f"scope recall         {said}" in text
    assert f"| scope precision | {said} |" in markdown
    assert "| - | - |" in markdown
    assert "scope_recall" not in junit
    assert json.loads(data)["scope"]["recall"] is None
    assert json.loads(data)["tasks"][0]["scope"] is None


def test_a_share_is_never_rounded_up_to_all(landed: Make, make_snapshot: MakeSnapshot) -> None:
    """One path in 300 that was not declared is one."""
    touched = [f"src/{number}" for number in range(299)]
    report = build_report(
        make_snapshot(landed("a", at=AT, spec={"files": ("src",)})), touched={"a": [*touched, "x"]}
    )

    assert "99%: 299 of 300 touched paths declared" in render_report(report, "text")
