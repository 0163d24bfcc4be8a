"""`swarm run`, as a person would use it."""

from pathlib import Path

from real_swarm import DIAMOND, Swarm, write_task

from swarm.fleet.socket_place import socket_path


def test_a_plan_becomes_a_branch_with_one_commit_a_task(swarm: Swarm) -> None:
    """Each task lands once, dependents see what they depend on, and the report says so."""
    report = swarm.json("run", swarm.plan(DIAMOND), "-y", "--workers", "2")

    branch = str(report["branch"])
    assert report["state"] == "done"
    assert report["clean"] is True
    assert sorted(swarm.trailers(branch)) == sorted(f"{report['run']}/{task['id']}/1" for task in DIAMOND)
    assert swarm.git("show", f"{branch}:out/join.txt") == "join left middle right"


def test_the_users_checkout_is_untouched(swarm: Swarm) -> None:
    """Work in progress stays as it was, and only the run's branch is new."""
    (swarm.root / "lib.py").write_text("VALUE = 2  # not committed\n", encoding="utf-8")
    (swarm.root / "untracked.txt").write_text("mine\n", encoding="utf-8")
    before = (swarm.git("rev-parse", "HEAD"), swarm.git("status", "--porcelain"), swarm.git("stash", "list"))

    report = swarm.json("run", swarm.plan(DIAMOND), "-y", "--workers", "2")

    assert (
        swarm.git("rev-parse", "HEAD"),
        swarm.git("status", "--porcelain"),
        swarm.git("stash", "list"),
    ) == before
    assert (swarm.root / "lib.py").read_text(encoding="utf-8") == "VALUE = 2  # not committed\n"
    assert swarm.git("show", f"{report['branch']}:lib.py") == "VALUE = 1"


def test_a_task_that_writes_out_of_its_scope_does_not_land(swarm: Swarm) -> None:
    """Where scopes are strict; the diff is checked against the declared files, and the path is named."""
    sneaky = write_task("sneaky", files=("out/other.txt",)) | {"max_attempts": 1}
    plan = swarm.plan([sneaky, write_task("after", "sneaky")])

    report = swarm.json("run", plan, "-y", "--scope", "strict", expect=1)

    assert report["state"] == "failed"
    assert swarm.trailers(str(report["branch"])) == []
    tasks = {row["id"]: row for row in report["tasks"]}  # type: ignore[attr-defined]
    assert "out/sneaky.txt" in tasks["sneaky"]["failure_reason"]
    assert tasks["after"]["state"] == "upstream_failed"


def test_a_red_gate_keeps_an_attempt_off_the_branch(swarm: Swarm) -> None:
    """What does not pass on the merged tree is sent back, and fails when its attempts are used up."""
    broken = {
        "id": "broken",
        "description": "a file that does not compile",
        "files": ["lib.py"],
        "command": ["python3", "-c", "open('lib.py', 'w').write('def (')"],
        "max_attempts": 2,
    }

    report = swarm.json("run", swarm.plan([broken]), "-y", expect=1)

    assert report["gate_failures"] == 2
    assert swarm.trailers(str(report["branch"])) == []


def test_the_same_plan_on_the_same_commit_is_the_same_run(swarm: Swarm) -> None:
    """Running again reports the finished run instead of doing the work twice."""
    plan = swarm.plan(DIAMOND)
    first = swarm.json("run", plan, "-y", "--workers", "2")

    second = swarm.json("run", plan, "-y", "--workers", "2")

    assert second["run"] == first["run"]
    assert second["attempts"] == first["attempts"]


def test_without_a_terminal_and_without_yes_nothing_starts(swarm: Swarm) -> None:
    """A CI job that forgot -y is told so, with exit code 2."""
    done = swarm.call("run", swarm.plan(DIAMOND))

    assert done.returncode == 2
    assert "-y" in done.stderr
    assert not (swarm.root / ".swarm" / "repo.git").exists()


def test_a_run_that_fails_fast_ends_with_its_first_failure(swarm: Swarm) -> None:
    """Exit code 1, what was not begun is cancelled, and each says why."""
    bad = write_task("bad") | {"command": ["sh", "-c", "exit 3"], "max_attempts": 1}
    plan = swarm.plan([bad, write_task("below", "bad"), write_task("beside")])

    done = swarm.call("run", plan, "-y", "--workers", "1", "--fail-fast")
    why = swarm.call("why", "beside").stdout

    assert done.returncode == 1
    rows = swarm.json("report")["tasks"]
    states = {row["id"]: row["state"] for row in rows}  # type: ignore[attr-defined]
    assert states == {"bad": "failed", "below": "upstream_failed", "beside": "cancelled"}
    assert "the run stops at its first failure: bad" in why


RED = """[gate.lib]
command = ["python3", "-c", "import lib, sys; print('VALUE is', lib.VALUE); sys.exit(lib.VALUE != 2)"]
"""


def test_a_gate_that_is_red_before_any_work_is_named(swarm: Swarm) -> None:
    """Nothing can land, and the first lines of the run say why: the gate, its output, the next step."""
    (swarm.root / "swarm.toml").write_text(RED, encoding="utf-8")
    swarm.git("commit", "-qam", "break the gate")

    done = swarm.call("run", swarm.plan([write_task("root") | {"max_attempts": 1}]), "-y", "--workers", "1")
    report = swarm.json("report")
    checked = swarm.json("doctor")

    assert done.returncode == 1
    assert "the gate 'lib' is red before any work" in done.stderr
    assert "VALUE is 1" in done.stderr
    assert "lib: exit code 1" in done.stdout
    assert report["red_on_base"] == "lib: exit code 1"
    gates = {check["name"]: check for check in checked["checks"]}["gates"]  # type: ignore[attr-defined]
    assert (gates["is_ok"], gates["is_needed"]) == (False, False)
    assert "red on" in gates["found"]


def test_a_plan_may_make_a_red_gate_green(swarm: Swarm) -> None:
    """That is what some plans are for, so nothing is refused."""
    (swarm.root / "swarm.toml").write_text(RED, encoding="utf-8")
    swarm.git("commit", "-qam", "break the gate")
    mend = write_task("mend", files=("lib.py",)) | {
        "command": ["python3", "-c", "open('lib.py', 'w').write('VALUE = 2\\n')"]
    }

    report = swarm.json("run", swarm.plan([mend]), "-y", "--workers", "1")

    assert report["state"] == "done"


def test_a_malformed_gate_is_refused_before_anything_starts(swarm: Swarm) -> None:
    """No task could ever land, so none is queued."""
    (swarm.root / "swarm.toml").write_text("[gate.tests]\ncommand = 'make test'\n", encoding="utf-8")
    swarm.git("commit", "-qam", "break the config")

    done = swarm.call("run", swarm.plan(DIAMOND), "-y", "--workers", "1")

    assert done.returncode == 2
    assert "gate.tests.command must be a list" in done.stderr
    assert swarm.call("runs", "--json").stdout == "[]\n"


def test_an_agent_cannot_speak_to_the_embedded_server(swarm: Swarm) -> None:
    """Its socket can be reached, but it asks for a password, and the folder of that is closed."""
    server = swarm.root / ".swarm" / "server"
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'FLUSHALL\\r\\n'); answer = s.recv(99).decode()\n"
        "try:\n    secret = open(sys.argv[2]).read()\n"
        "except OSError as error:\n    secret = type(error).__name__\n"
        "open('answer.txt', 'w').write(answer.split()[0] + ' ' + secret)"
    )
    place = socket_path(server, temporary=Path("/tmp"))  # the command is told of no TMPDIR
    argv = ["python3", "-c", program, str(place), str(server / "password")]
    plan = swarm.plan([{"id": "ask", "description": "ask", "files": ["answer.txt"], "command": argv}])

    done = swarm.call("run", plan, "-y", "--workers", "1")

    assert done.returncode == 0, done.stderr
    branch = swarm.json("report", "--format", "json")["branch"]
    assert swarm.git("show", f"{branch}:answer.txt") == "-NOAUTH PermissionError"
