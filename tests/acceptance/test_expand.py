"""Tasks that put other tasks in their place, through the real command, processes and git."""

import json

from real_swarm import Swarm, write_task

EXPAND = (
    "import os, pathlib, sys; pathlib.Path('scratch.txt').write_text('mine');"
    "pathlib.Path(os.environ['SWARM_EXPAND']).write_text(sys.argv[1])"
)


def expanding(name: str, parts: list[dict[str, object]], *after: str) -> dict[str, object]:
    """A `command` task that asks for these tasks in its place."""
    return {
        "id": name,
        "description": f"plan {name}",
        "dependencies": list(after),
        "files": ["out/"],
        "command": ["python3", "-c", EXPAND, json.dumps(parts)],
    }


def test_a_task_becomes_tasks_that_land(swarm: Swarm) -> None:
    """One of two parts expands again; each lands once, what depends on the whole sees all of it."""
    inner = expanding("inner", [write_task("x"), write_task("y", "x")])
    plan = [
        write_task("first"),
        expanding("whole", [write_task("one"), {**inner, "dependencies": ["one"]}], "first"),
        {**write_task("last", "x", "y", "one"), "dependencies": ["whole"]},
    ]

    report = swarm.json("run", swarm.plan(plan), "-y", "--workers", "2")

    run, branch = str(report["run"]), str(report["branch"])
    assert report["state"] == "done"
    parts = ["whole.one", "whole.inner.x", "whole.inner.y"]
    assert [trailer.removeprefix(f"{run}/") for trailer in reversed(swarm.trailers(branch))] == [
        f"{name}/1" for name in ("first", *parts, "last")
    ]
    assert swarm.git("show", f"{branch}:out/last.txt") == "last x y one"
    assert "scratch.txt" not in swarm.git("ls-tree", "-r", "--name-only", branch)
    assert report["tasks_by_state"] == {"done": 7}
    assert "with the 2 tasks that it was expanded into" in swarm.call("why", "whole").stdout
    tree = swarm.call("show", run, "--format", "tree").stdout
    assert tree.index("whole.inner.y") < tree.index("last")


def test_a_bad_sub_plan_is_a_charged_failure(swarm: Swarm) -> None:
    """All that is wrong with it is told, and nothing of it is stored."""
    parts: list[dict[str, object]] = [
        {"id": "x", "dependencies": ["nobody"]},
        write_task("outside", files=("src/x.py",)),
    ]
    plan = [{**expanding("whole", parts), "max_attempts": 1}]

    report = swarm.json("run", swarm.plan(plan), "-y", "--workers", "1", expect=1)

    tasks: list[dict[str, object]] = report["tasks"]  # type: ignore[assignment]  # rows of JSON
    reason = str(tasks[0]["failure_reason"])
    assert len(tasks) == 1
    assert (tasks[0]["failures"], tasks[0]["failure_kind"]) == (1, "task_error")
    assert "description: required" in reason
    assert "unknown dependency 'nobody'" in reason
    assert "'src/x.py' is not inside the write scope" in reason


def test_a_task_does_not_get_out_of_its_acceptance(swarm: Swarm) -> None:
    """What it was expanded into must pass its commands, nested too, even if no part changes anything."""
    nothing: dict[str, object] = {"id": "nothing", "description": "do nothing", "command": ["true"]}
    inner = {**expanding("inner", [nothing]), "acceptance": [["false"]]}
    plan = [
        {**expanding("api", [nothing]), "acceptance": [["false"]], "max_attempts": 1},
        {**expanding("outer", [inner]), "max_attempts": 1},
        write_task("last", "api"),
    ]

    report = swarm.json("run", swarm.plan(plan), "-y", "--workers", "2", expect=1)

    states = states_of(report)
    assert states == {
        "api": "upstream_failed",
        "api.nothing": "done",
        "api.accept": "failed",
        "outer": "upstream_failed",
        "outer.inner": "upstream_failed",
        "outer.inner.nothing": "done",
        "outer.inner.accept": "failed",
        "last": "upstream_failed",
    }
    run = str(report["run"])
    for words in (["--task", "api"], ["--task", "api", "--fresh"]):
        assert swarm.call("retry", run, *words).returncode == 0
        report = swarm.json("run", "--resume", run, "-y", "--workers", "1", expect=1)
        assert states_of(report)["api"] == "upstream_failed"
    assert states_of(report)["api.2.accept"] == "failed"


def test_the_acceptance_of_an_expanded_task_sees_what_all_parts_landed(swarm: Swarm) -> None:
    """It is judged after the last of them, on the merged tree."""
    check = "import pathlib, sys; sys.exit(not all(pathlib.Path(f'out/{n}.txt').exists() for n in 'xyz'))"
    whole = expanding("whole", [write_task("x"), write_task("y"), write_task("z", "x")])
    plan = [{**whole, "acceptance": [["python3", "-c", check]], "max_attempts": 1}]

    report = swarm.json("run", swarm.plan(plan), "-y", "--workers", "2")

    names = ("whole", "whole.x", "whole.y", "whole.z", "whole.accept")
    assert states_of(report) == dict.fromkeys(names, "done")


def states_of(report: dict[str, object]) -> dict[str, str]:
    """Task -> state, as a report has them."""
    tasks: list[dict[str, str]] = report["tasks"]  # type: ignore[assignment]  # rows of JSON
    return {task["id"]: task["state"] for task in tasks}
