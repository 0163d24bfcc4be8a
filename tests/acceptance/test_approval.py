"""`swarm approve` and `reject`: a run that waits for a person, and goes on with what was done."""

from typing import Any

from real_swarm import Swarm, write_task

PIN: dict[str, object] = {
    "id": "pin",
    "description": "pin what is depended on",
    "files": ["uv.lock"],
    # What one attempt writes no other does.
    "command": ["python3", "-c", "import uuid; open('uv.lock', 'w').write(uuid.uuid4().hex + chr(10))"],
}


def rows_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The report's tasks by their ids."""
    return {task["id"]: task for task in report["tasks"]}


def waiting_run(swarm: Swarm) -> str:
    """A run whose second task changed a lockfile."""
    report = swarm.json("run", swarm.plan([write_task("one"), PIN]), "-y", "--workers", "2", expect=9)
    rows = rows_of(report)
    assert {name: row["state"] for name, row in rows.items()} == {"one": "done", "pin": "failed"}
    assert rows["pin"]["failure_kind"] == "approval"
    return str(report["run"])


def test_an_approved_attempt_lands_without_its_agent(swarm: Swarm) -> None:
    """The person sees what it changes, and the commit says who let it in."""
    run = waiting_run(swarm)
    why: dict[str, Any] = swarm.json("why", "pin", "--run", run)
    look = swarm.call("diff", "pin", "--run", run)

    approved = swarm.json("approve", run, "pin", "--message", "I have read it")
    report = swarm.json("run", "--resume", run, "--workers", "2")

    branch = str(report["branch"])
    assert f"swarm approve {run} pin" in why["next"]
    assert "+++ b/uv.lock" in look.stdout
    assert report["state"] == "done"
    assert f"\n+{swarm.git('show', f'{branch}:uv.lock').strip()}\n" in look.stdout
    assert f"Swarm-Approved-By: {approved['by']}" in swarm.git("log", "-1", "--format=%B", branch)


def test_a_rejected_attempt_is_done_again(swarm: Swarm) -> None:
    """By an agent that is told why; a word for nothing is refused."""
    run = waiting_run(swarm)
    before = swarm.call("diff", "pin", "--run", run).stdout

    rejected = swarm.json("reject", run, "pin", "--message", "leave the lockfile alone")
    again = swarm.json("run", "--resume", run, "--workers", "1", expect=9)
    nothing: dict[str, Any] = swarm.json("approve", run, "one", expect=6)

    assert rejected["attempt"] == 1
    assert {name: row["attempts"] for name, row in rows_of(again).items()} == {"one": 1, "pin": 2}
    assert swarm.call("diff", "pin", "--run", run).stdout != before
    assert "waits for no approval" in nothing["error"]["message"]
