"""What a person gets wrong is named, with the next step, and nothing is written."""

import json
import subprocess
from pathlib import Path

import pytest
from real_swarm import DIAMOND, Swarm, write_task

pytestmark = pytest.mark.usefixtures("uncounted")

TASK: dict[str, object] = {"id": "a", "description": "a task", "command": ["true"], "files": ["a.txt"]}

BAD_PLANS = {
    "truncated": ('[{"id": "a", "descr', "line 1"),
    "not a plan": ('"just text"', "just text"),
    "empty": ("[]", "no task"),
    "cycle": (
        json.dumps([TASK | {"dependencies": ["b"]}, TASK | {"id": "b", "dependencies": ["a"]}]),
        "a -> b -> a",
    ),
    "dangling": (json.dumps([TASK | {"dependencies": ["databse"]}, TASK | {"id": "database"}]), "'database'"),
    "duplicate id": (json.dumps([TASK, TASK]), "$[1].id"),
    "depends on itself": (json.dumps([TASK | {"dependencies": ["a"]}]), "itself"),
    "unknown field": (json.dumps([TASK | {"dependancies": []}]), "dependencies"),
    "parent path": (json.dumps([TASK | {"files": ["../etc/passwd"]}]), "../etc/passwd"),
    "absolute path": (json.dumps([TASK | {"files": ["/etc/passwd"]}]), "/etc/passwd"),
    "NUL in a path": (json.dumps([TASK | {"files": ["a\0b"]}]), "$[0].files[0]"),
    "newline in a path": (json.dumps([TASK | {"files": ["a\nb"]}]), "$[0].files[0]"),
    "right-to-left override": (json.dumps([TASK | {"files": ["a\u202etxt.exe"]}]), "$[0].files[0]"),
    "a name of 300 bytes": (json.dumps([TASK | {"files": ["x" * 300]}]), "$[0].files[0]"),
    "git's own folder": (json.dumps([TASK | {"files": [".GIT/hooks/pre-commit"]}]), ".GIT/hooks/pre-commit"),
    "swarm's own folder": (json.dumps([TASK | {"files": [".Swarm/server/server.json"]}]), ".Swarm/server"),
    "executor that nobody serves": (
        json.dumps([TASK | {"executor": "claude-code", "command": None}]),
        "claude-code",
    ),
    "hostile id": (json.dumps([TASK | {"id": "$(touch pwned)"}]), "$(touch pwned)"),
    "command without argv": (json.dumps([TASK | {"executor": "command", "command": None}]), "command"),
}


@pytest.mark.parametrize("name", BAD_PLANS)
def test_a_bad_plan_is_refused_with_its_reason(swarm: Swarm, name: str) -> None:
    """Exit 2, the value or its JSON path on stderr, a next step, and no trace on disk."""
    text, named = BAD_PLANS[name]
    path = swarm.root.parent / "bad.json"
    path.write_text(text, encoding="utf-8")

    done = swarm.call("run", str(path), "-y")

    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert "error[SW003]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (swarm.root / ".swarm").exists()


def test_every_problem_of_a_plan_is_listed_at_once(swarm: Swarm) -> None:
    """A person fixes a plan in one go, and a program reads the same list."""
    plan = swarm.plan([TASK | {"files": ["/abs"]}, TASK | {"dependencies": ["nobody"], "priorty": 1}])

    failure = swarm.json("validate", plan, expect=2)

    text = json.dumps(failure)
    for path in ("$[0].files[0]", "$[1].id", "$[1].dependencies[0]", "$[1].priorty"):
        assert path in text


def test_a_model_task_without_a_key_is_refused_before_anything_starts(swarm: Swarm) -> None:
    """Exit 4 with what to set, not a run that waits for ever."""
    task: dict[str, object] = {"id": "m", "description": "needs a model", "files": ["m.txt"]}

    done = swarm.call("run", swarm.plan([task]), "-y")

    assert done.returncode == 4
    assert "ANTHROPIC_API_KEY" in done.stderr
    assert "WAVE" not in done.stderr
    assert not (swarm.root / ".swarm").exists()


def test_resuming_where_nothing_ran_starts_nothing(swarm: Swarm) -> None:
    """The run is named, and no server is started to look for it."""
    done = swarm.call("run", "--resume", "zzz")

    assert done.returncode == 2
    assert "'zzz'" in done.stderr
    assert not (swarm.root / ".swarm").exists()


def test_what_lands_cannot_be_taken_for_swarms_own_state(swarm: Swarm) -> None:
    """Even a scope of everything does not cover `.swarm`: checked out, it would replace the server's note."""
    task: dict[str, object] = {
        "id": "plant",
        "description": "plant a server note",
        "files": ["**"],
        "command": [
            "python3",
            "-c",
            "import os; os.makedirs('.swarm/server'); open('.swarm/server/server.json', 'w').write('{}')",
        ],
        "max_attempts": 1,
    }

    report = swarm.json("run", swarm.plan([task]), "-y", "--workers", "1", expect=1)

    assert swarm.trailers(str(report["branch"])) == []


def test_a_branch_that_cannot_be_published_waits_for_a_person(swarm: Swarm) -> None:
    """A branch named `swarm` is in the way: exit 9 says what to do, and resuming publishes."""
    swarm.git("branch", "swarm")

    done = swarm.call("run", swarm.plan(DIAMOND), "-y", "--workers", "2")

    assert done.returncode == 9
    assert "swarm run --resume" in done.stderr
    waited = swarm.call("wait")
    assert waited.returncode == 9
    assert "swarm run --resume" in waited.stderr
    swarm.git("branch", "-m", "swarm", "mine")
    report = swarm.json("run", "--resume", "latest")
    assert len(swarm.trailers(str(report["branch"]))) == len(DIAMOND)


def test_shell_characters_in_every_field_run_nothing(swarm: Swarm) -> None:
    """Commands are argv lists and titles are data; no shell ever sees them."""
    bait = "$(touch pwned); `touch pwned` | touch pwned & \"'"
    task = write_task("safe") | {
        "description": bait,
        "context": bait,
        "type": "general",
        "acceptance": [["python3", "-c", "import sys; assert sys.argv[1].startswith('$(touch')", bait]],
    }

    report = swarm.json("run", swarm.plan([task]), "-y", "--workers", "1")

    assert report["state"] == "done"
    assert not list(swarm.root.parent.rglob("pwned"))


def test_a_symlink_that_leaves_the_repository_does_not_land(swarm: Swarm) -> None:
    """Git would accept it; a person has to look, and no further attempt is made."""
    task: dict[str, object] = {
        "id": "link",
        "description": "link to the outside",
        "files": ["link"],
        "command": ["python3", "-c", "import os; os.symlink('/etc/passwd', 'link')"],
    }

    report = swarm.json("run", swarm.plan([task]), "-y", "--workers", "1", expect=9)

    assert swarm.trailers(str(report["branch"])) == []
    (told,) = json.loads(swarm.call("tasks", "--json").stdout)
    assert (told["failure_kind"], told["attempt"]) == ("policy", 1)


def test_a_folder_that_is_no_repository_is_named(tmp_path: Path, swarm: Swarm) -> None:
    """The error says which folder, and what to do."""
    elsewhere = Swarm(tmp_path / "elsewhere", swarm.environment)
    elsewhere.root.mkdir()

    done = elsewhere.call("run", swarm.plan(DIAMOND), "-y")

    assert done.returncode == 2
    assert str(elsewhere.root) in done.stderr
    assert "git init" in done.stderr
    assert "WAVE" not in done.stderr
    assert list(elsewhere.root.iterdir()) == []


def test_a_redis_that_is_away_is_named_before_the_plan_is_shown(swarm: Swarm) -> None:
    """What cannot start is not announced."""
    done = swarm.call("run", swarm.plan(DIAMOND), "-y", env={"REDIS_URL": f"unix://{swarm.root}/none.sock"})

    assert done.returncode == 3
    assert done.stderr.startswith("error[SW011]: ")


@pytest.mark.parametrize("state", ["dirty", "detached", "mid-merge", "mid-rebase"])
def test_a_checkout_in_any_state_is_left_as_it_is(swarm: Swarm, state: str) -> None:
    """HEAD, index, work tree and stash read the same before and after."""
    put_into_state(swarm, state)
    before = describe(swarm)

    report = swarm.json("run", swarm.plan([write_task("one")]), "-y", "--workers", "1")

    assert report["state"] == "done"
    assert describe(swarm) == before


def put_into_state(swarm: Swarm, state: str) -> None:
    """Leave the checkout in the middle of something."""
    library = swarm.root / "lib.py"
    if state == "dirty":
        library.write_text("VALUE = 5\n", encoding="utf-8")
        swarm.git("add", "lib.py")
        library.write_text("VALUE = 6\n", encoding="utf-8")
        return
    if state == "detached":
        swarm.git("checkout", "-q", "--detach")
        return
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    swarm.git("checkout", "-q", "-b", "other")
    library.write_text("VALUE = 2\n", encoding="utf-8")
    swarm.git(*identity, "commit", "-qam", "two")
    swarm.git("checkout", "-q", "-")
    library.write_text("VALUE = 3\n", encoding="utf-8")
    swarm.git(*identity, "commit", "-qam", "three")
    verb = "merge" if state == "mid-merge" else "rebase"
    with pytest.raises(subprocess.CalledProcessError):  # the conflict that is wanted here
        swarm.git(*identity, verb, "other")


def describe(swarm: Swarm) -> tuple[str, ...]:
    """What a person would notice if it changed."""
    git_folder = swarm.root / ".git"
    names = ("HEAD", "MERGE_HEAD", "REBASE_HEAD", "ORIG_HEAD", "config")
    files = [git_folder / name for name in names]
    return (
        *(path.read_text(encoding="utf-8") if path.exists() else "" for path in files),
        (git_folder / "index").read_bytes().hex(),
        swarm.git("status", "--porcelain"),
        swarm.git("diff"),
        (swarm.root / "lib.py").read_text(encoding="utf-8"),
    )


def test_a_repository_that_no_hub_can_hold_is_said_by_doctor_as_by_a_run(
    tmp_path: Path, swarm: Swarm
) -> None:
    """Both name SHA-256 and what to do, and no more is looked at, or written, in there."""
    root = tmp_path / "longer"
    subprocess.run(["git", "init", "-q", "--object-format=sha256", str(root)], check=True)
    longer = Swarm(root, swarm.environment)
    longer.git(*("-c", "user.name=x", "-c", "user.email=x"), "commit", "-q", "--allow-empty", "-m", "begin")

    checked, ran = longer.call("doctor"), longer.call("run", swarm.plan(DIAMOND), "-y")

    [line] = [line for line in checked.stdout.splitlines() if line.startswith("FAIL")]
    for said in (line, ran.stderr):
        assert "names its objects by SHA-256, which swarm's hub cannot hold" in said
        assert "git init --object-format=sha1" in said
    assert (checked.returncode, ran.returncode) == (3, 2)
    assert "gates" not in checked.stdout
    assert not (root / ".swarm" / "server").exists(), "a server was started for nothing"
