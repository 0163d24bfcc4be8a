"""A write scope that grew: where it was widened, and by what, for whoever looks."""

from dataclasses import replace

import pytest
from rich.console import Console
from why_chain import Bench, Swarm, Task, chain

from swarm.engine.claims import Claim
from swarm.engine.snapshot import take_snapshot
from swarm.observe.live import render_live
from swarm.observe.watcher import open_watcher

MANY = [f"lib/{number}.py" for number in range(7)]


@pytest.fixture
def grown(bench: Bench, task: Task) -> Claim:
    """A task that runs, and has got seven files more; another one stands by."""
    bench.submit(task("api"), task("other", files=("other.py",)))
    claims = {claim.task.id: claim for claim in (bench.claim(), bench.claim())}
    extension = bench.engine.extend(claims["api"], files=MANY)
    assert extension.is_granted
    claim: Claim = extension.claim
    return claim


@pytest.mark.usefixtures("grown")
def test_locks_name_what_widened_the_scope(swarm: Swarm) -> None:
    """Each lock, the part of it that it covers."""
    listed = {lock["path"]: lock["widened"] for lock in swarm("locks", "--json").json()}
    head, *rows = swarm("locks").out.splitlines()

    assert listed == {"api.py": [], "other.py": [], **{path: [path] for path in MANY}}
    assert head.endswith("WAITING  WIDENED BY")
    named = {row.split()[0]: row.split()[6:] for row in rows}
    assert named == listed


@pytest.mark.usefixtures("grown")
def test_why_names_what_widened_the_scope(swarm: Swarm) -> None:
    """Right below what the task is at: the first five, and how many more."""
    links = chain(swarm, "api")

    assert links[1] == ("api", f"its write scope was widened by {', '.join(MANY[:5])} and 2 more")
    assert all("widened" not in text for _, text in chain(swarm, "other"))


def test_progress_names_what_widened_the_scope(
    bench: Bench, grown: Claim, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal and without one; of a task that was put back for it, what it will have."""
    other = replace(grown, task=bench.engine.task(grown.run, "other").spec, token=grown.token + 1)
    assert not bench.engine.extend(other, files=["api.py"]).is_granted
    snapshot, console = take_snapshot(bench.engine, grown.run), Console(width=200)

    with open_watcher(bench.engine, grown.run) as watcher:
        watcher.show(snapshot)
    lines = capsys.readouterr().err
    with console.capture() as screen:
        console.print(render_live(snapshot, 200))

    for shown in (lines, screen.get()):
        assert f"api: its write scope was widened by {', '.join(MANY[:5])} and 2 more" in shown
        assert "and api.py is locked; its write scope was widened by api.py" in shown
