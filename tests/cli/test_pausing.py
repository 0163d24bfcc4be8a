"""`pause`, `resume`, `limit`: how much is given out, and where that shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarm.engine.store import Store
from swarm.errors import ConfigError
from swarm.limits import load_limits
from swarm.plan.model import Plan, TaskSpec
from swarm.settings import load_settings
from swarm.submitting import submit_plan
from swarm.testing.repository import make_repository

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]


def texts(swarm: Swarm, task: str) -> list[str]:
    return [link["text"] for link in swarm("why", task, "--json").json()["chain"]]


def test_a_paused_run_says_so_everywhere(swarm: Swarm, bench: Bench, task: Task) -> None:
    """`status`, `why` and `queue` name the pause and what takes it back."""
    run = bench.submit(task("a"))

    paused = swarm("pause", "--json").json()
    assert bench.engine.claim(bench.worker, "none") is None

    assert paused == {"run": run, "paused": True}
    line = f"run {run} is paused: `swarm resume {run}` goes on with it"
    assert line in swarm("status").out
    assert line in texts(swarm, "a")
    assert swarm("queue", "--json").json()["aside"] == {run: 1}
    assert f"paused {run}" in swarm("queue").out
    assert swarm("resume", "--json").json() == {"run": run, "paused": False}
    assert bench.claim().task.id == "a"


def test_a_pause_is_named_before_any_claim_has_come_by(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Its tasks still stand in their queues then, and are not given out all the same."""
    run = bench.submit(task("a"), task("b"), key="paused")
    other = bench.submit(task("c"), key="goes on")

    swarm("pause", run)

    data, shown = swarm("queue", "--json").json(), swarm("queue").out
    assert data["aside"] == {run: 0}
    assert data["queues"] == [{"type": "general", "ready": 3, "parked": 0}]
    assert f"run {run} is paused: what is ready of it is not given out; `swarm resume {run}` goes on" in shown
    assert f"run {other} is paused" not in shown
    links = swarm("why", "a", "--run", run, "--json").json()["chain"]
    assert links[0]["text"] == "queued: ready in queue 'general', but its run is paused"
    bench.claim()
    links = swarm("why", "a", "--run", run, "--json").json()["chain"]
    assert links[0]["text"] == "queued: stands aside"


def test_a_run_that_has_ended_is_resumed_without_going_on(swarm: Swarm, bench: Bench, task: Task) -> None:
    """The pause is taken back for what a retry brings back, and that is what is said."""
    run = bench.submit(task("a"))
    swarm("pause", run)
    bench.engine.cancel(run)

    resumed = swarm("resume", run)

    assert resumed.out == f"run {run} has ended (cancelled); it is paused no more\n"
    assert resumed.err == ""


def test_a_paused_type_and_project_say_so(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Of every run, and of tasks of that type alone."""
    bench.submit(task("a"), task("guide", kind="docs"))

    swarm("pause", "--type", "docs")

    assert "type 'docs' is paused: `swarm resume --type docs` goes on with it" in texts(swarm, "guide")
    assert not any("paused" in text for text in texts(swarm, "a"))
    swarm("pause", "--all")
    assert swarm("status", "--json").json()["paused"] == ["*", "docs"]
    swarm("resume", "--all")
    swarm("resume", "--type", "docs")
    assert swarm("queue", "--json").json()["paused"] == []


def test_a_limit_is_set_shown_and_lifted(swarm: Swarm, bench: Bench, task: Task) -> None:
    """And `why` names it."""
    bench.submit(task("a"), task("b"))
    bench.claim()

    assert swarm("limit", "general", "1", "--json").json() == {"type": "general", "most": 1, "held": 1}

    assert bench.engine.claim(bench.worker, "full") is None
    assert "type 'general' is limited to 1 task at once" in texts(swarm, "b")
    assert "at most 1 at once" in swarm("queue").out
    assert swarm("limit", "--json").json() == {"general": 1}
    swarm("limit", "general", "none")
    assert swarm("limit").out == "no limit is set\n"


@pytest.mark.parametrize("words", [("limit", "a", "0"), ("limit", "a", "x"), ("limit", "a b", "1")])
def test_a_limit_that_means_nothing_is_refused(swarm: Swarm, bench: Bench, words: tuple[str, ...]) -> None:
    """With what would mean something."""
    del bench
    refused = swarm(*words)

    assert refused.code == 2
    assert "such as" in refused.err or "swarm limit" in refused.err


@pytest.mark.parametrize("number", ["٣", "1000001", "9" * 23, "9" * 5000, "1_0"])
def test_a_limit_is_a_number_that_can_be_meant(swarm: Swarm, bench: Bench, number: str) -> None:
    """In digits as everybody reads them, and no larger than any fleet."""
    refused = swarm("limit", "docs", number)

    assert refused.code == 2
    assert "N must be a whole number from 1 up to 1,000,000" in refused.err
    assert bench.engine.controls().limits == {}
    assert swarm("limit", "docs", "1000000").code == 0


def test_what_is_said_of_a_limit_can_be_given_to_a_shell(swarm: Swarm, bench: Bench) -> None:
    """Bare, it would expand `*` to the files of the folder."""
    del bench
    refused = swarm("limit", "*", "0")
    shown = swarm("limit", "--help")

    assert "`swarm limit '*' 4`" in refused.err
    assert "TYPE '*' bounds" in shown.out


def test_a_type_alone_shows_its_limit(swarm: Swarm, bench: Bench) -> None:
    """And sets none."""
    bench.engine.limit("docs", 2)

    assert swarm("limit", "docs").out == "type 'docs': at most 2 at once\n"
    assert swarm("limit", "api").out == "type 'api': no limit\n"
    assert swarm("limit", "docs", "--json").json() == {"type": "docs", "most": 2}


def test_a_pause_of_two_things_at_once_is_refused(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A run, a type or everything."""
    bench.submit(task("a"))

    assert swarm("pause", "latest", "--all").code == 2


def test_a_run_brings_the_limits_of_its_swarm_toml(
    swarm: Swarm, bench: Bench, task: Task, folder: Path
) -> None:
    """They are in force from its submission on."""
    root = make_repository(folder / "repo", {"a.py": "1\n"}).path
    (root / "swarm.toml").write_text("[limits]\ndocs = 2\n")

    submit_plan(load_settings(root), bench.engine, Plan((task("a"),)))

    assert swarm("limit", "--json").json() == {"docs": 2}


def test_limits_are_read_from_the_table_in_swarm_toml(tmp_path: Path) -> None:
    """A star needs quotes in TOML."""
    (tmp_path / "swarm.toml").write_text('[limits]\ngeneral = 4\n"*" = 10\n')

    assert load_limits(tmp_path) == {"general": 4, "*": 10}
    assert load_limits(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize(
    "text",
    [
        "limits = 3",
        "[limits]\na = 0",
        "[limits]\na = 1000001",
        "[limits]\na = true",
        "[limits]\na = '1'",
        '[limits]\n"a b" = 3',
        '[limits]\n"" = 3',
        '[limits]\n"a\\nb" = 3',
    ],
)
def test_a_malformed_limit_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    """Before anything is submitted."""
    (tmp_path / "swarm.toml").write_text(text)

    with pytest.raises(ConfigError, match="limits"):
        load_limits(tmp_path)


@pytest.mark.parametrize("kind", ["a b", "a\nb", "", " ", "a\u2028b"])
def test_a_limit_of_no_type_that_an_older_version_stored_ends_no_command(
    swarm: Swarm, bench: Bench, task: Task, store: Store, kind: str
) -> None:
    """All go on, tasks are given out, and the limit can be lifted."""
    run = bench.submit(task("a"))
    store.call("HSET", bench.engine.keys.of("meta"), "controls", f"limit {kind} 3\nlimit general 4")

    shown = [swarm(*words).code for words in (("status", run), ("queue",), ("why", "a"), ("limit",))]
    refused, lifted = swarm("limit", kind, "5"), swarm("limit", kind, "none")

    assert shown == [0, 0, 0, 0]
    assert "no task can have the type" in refused.err
    assert lifted.code == (2 if "\n" in kind else 0)  # of two lines neither is an order
    assert swarm("limit", "--json").json() == {"general": 4}
    assert bench.claim().task.id == "a"


def test_a_pause_of_no_type_that_an_older_version_stored_can_be_lifted(
    swarm: Swarm, bench: Bench, task: Task, store: Store
) -> None:
    """By the line that `status` prints."""
    run = bench.submit(task("a"))
    store.call("HSET", bench.engine.keys.of("meta"), "controls", "pause a b")

    assert "`swarm resume --type 'a b'`" in swarm("status", run).out
    assert swarm("resume", "--type", "a b").code == 0

    assert bench.engine.controls().paused == ()


@pytest.mark.parametrize(
    ("flags", "other"),
    [
        (("--type", "general"), "type 'general' is still paused"),
        (("--all",), "everything is still paused"),
    ],
)
def test_a_pause_names_what_takes_it_back(
    swarm: Swarm, bench: Bench, task: Task, flags: tuple[str, ...], other: str
) -> None:
    """And whoever takes back another one is told that this one holds."""
    run = bench.submit(task("a"))
    undo = f"`{' '.join(('swarm', 'resume', *flags))}`"

    paused, wrong, right = swarm("pause", *flags), swarm("resume"), swarm("resume", *flags)

    assert undo in paused.out
    assert wrong.out == f"run {run} was not paused\n"
    assert f"no worker is alive: `swarm run --resume {run}` starts some" in wrong.err
    assert other in wrong.err
    assert undo in wrong.err
    assert right.code == 0
    assert "still paused" not in right.err
    assert bench.claim().task.id == "a"


def test_a_pause_of_a_type_that_nobody_submitted_says_so(swarm: Swarm, bench: Bench, task: Task) -> None:
    """It may be a slip of the pen."""
    bench.submit(task("a"), task("guide", kind="docs"))

    assert "no task of type 'dosc'" in swarm("pause", "--type", "dosc").err
    assert "no task of type" not in swarm("pause", "--type", "docs").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pause", "--type", ""), "--type: no task can have the type ''"),
        (("limit", "", "3"), "no task can have the type ''"),
        (("limit", "docs", "-1"), "N must be a whole number from 1 up"),
    ],
)
def test_what_is_wrong_is_named_as_it_was_given(swarm: Swarm, words: tuple[str, ...], said: str) -> None:
    """Not by the name of another option, nor as an option."""
    done = swarm(*words)

    assert done.code == 2
    assert said in done.err
    assert "--types" not in done.err
