"""`swarm land`: from the end of a run to a branch of the user's, with the real gate on what it merges."""

from real_swarm import DIAMOND, Swarm, write_task


def test_what_a_run_landed_is_taken_into_a_branch(swarm: Swarm) -> None:
    """Fast-forwarded, then merged with what a person did there meanwhile; twice is once."""
    first = swarm.json("run", swarm.plan(DIAMOND), "-y", "--workers", "2")
    swarm.git("branch", "release")

    advanced = swarm.json("land", str(first["run"]), "--into", "release")
    swarm.git("checkout", "-q", "release")
    (swarm.root / "mine.txt").write_text("by a person\n", encoding="utf-8")
    swarm.git("add", "mine.txt")
    swarm.git("commit", "-q", "-m", "by a person")
    checked_out = swarm.json("land", "latest", "--into", "release", expect=6)
    swarm.git("checkout", "-q", "main")
    swarm.json("run", swarm.plan([write_task("more")], "more.json"), "-y")
    merged = swarm.json("land", "latest", "--into", "release")
    again = swarm.json("land", "latest", "--into", "release")

    one = swarm.json("land", "latest", "--into", "single", "--squash")
    assert (one["how"], one["missing"]) == ("squashed", [])
    said = swarm.git("log", "-1", "--format=%B", "single")
    assert "- more: write more" in said.splitlines()
    assert (advanced["how"], merged["how"], again["how"]) == ("advanced", "merged", "up_to_date")
    assert "is checked out" in str(checked_out["error"])
    for name in ("out/join.txt", "out/more.txt", "mine.txt"):
        assert swarm.git("show", f"release:{name}")
    assert swarm.git("status", "--porcelain") == ""


def test_a_run_that_goes_on_is_not_landed_in_part(swarm: Swarm) -> None:
    """The error says what to wait for."""
    swarm.json("submit", swarm.plan([write_task("one")]))

    refused = swarm.json("land", "latest", "--into", "release", expect=6)

    assert "more is to land" in str(refused["error"])


def test_a_commit_of_what_landed_later_names_no_task_of_before(swarm: Swarm) -> None:
    """What a person has reverted since stays away, and the message does not claim it."""
    flag = swarm.root.parent / "flag"
    late = {**write_task("late"), "max_attempts": 1}
    late["command"] = ["sh", "-c", f"test -e {flag} && mkdir -p out && echo late > out/late.txt"]
    run = str(swarm.json("run", swarm.plan([write_task("early"), late]), "-y", expect=1)["run"])
    swarm.git("branch", "release")
    first = swarm.json("land", run, "--into", "release", "--squash")
    swarm.git("checkout", "-q", "release")
    swarm.git("revert", "--no-edit", "HEAD")
    swarm.git("checkout", "-q", "main")
    flag.touch()
    swarm.call("retry", run, "late")
    swarm.call("run", "--resume", run, "-y")

    second = swarm.call("land", run, "--into", "release", "--squash")

    tip = swarm.git("log", "-1", "--format=%(trailers:key=Swarm-Tip,valueonly)", str(first["commit"])).strip()
    assert first["since"] is None
    assert second.returncode == 0, second.stderr
    assert f"what landed on swarm/{run} after {tip[:12]} is one commit on release" in second.stdout
    said = swarm.git("log", "-1", "--format=%B", "release").splitlines()
    assert [line for line in said if line.startswith("- ")] == ["- late: write late"]
    assert f"Not in this commit is what landed up to {tip[:12]}: it was brought here before." in said
    assert swarm.git("show", "--format=", "--name-only", "release") == "out/late.txt"
    assert swarm.json("land", run, "--into", "release", "--squash")["how"] == "up_to_date"


STRICT = """
[gate.seldom]
command = ["sh", "-c", "echo looked"]
sample = 0.001

[gate.refuses]
command = ["sh", "-c", "echo not this; exit 4"]

[gate.never]
command = ["true"]
"""


def test_who_lands_a_part_is_told_what_is_not_in_it(swarm: Swarm) -> None:
    """A branch that looks whole would be taken for it."""
    broken = {**write_task("broken"), "command": ["sh", "-c", "exit 3"], "max_attempts": 1}
    swarm.json("run", swarm.plan([write_task("whole"), broken]), "-y", expect=1)

    landed = swarm.call("land", "latest", "--into", "release")

    assert landed.returncode == 0
    assert landed.stderr.strip() == "not in it: broken (failed)"
    assert swarm.json("land", "latest", "--into", "release")["missing"] == ["broken"]


def test_who_lands_sees_the_gates_run_and_is_told_where_red_ones_left_their_words(swarm: Swarm) -> None:
    """They are those of the branch, all of them, and may take minutes; a program hears of the end alone."""
    swarm.json("run", swarm.plan([write_task("one")]), "-y")
    swarm.git("checkout", "-q", "-b", "release")
    config = swarm.root / "swarm.toml"
    before = config.read_text(encoding="utf-8")
    config.write_text(before + STRICT, encoding="utf-8")
    swarm.git("commit", "-q", "-a", "-m", "by a person")
    swarm.git("checkout", "-q", "main")

    refused = swarm.call("land", "latest", "--into", "release")
    quiet = swarm.call("land", "latest", "--into", "release", "--json")

    log = swarm.root / ".swarm" / "logs" / "land.gate.log"
    told = refused.stderr.splitlines()
    assert (refused.returncode, quiet.returncode, quiet.stderr) == (6, 6, "")
    assert told[0].startswith("judging swarm/")
    assert told[0].endswith("; 4 gates")
    assert [line.partition(",")[0] for line in told[3:7]] == [
        "seldom: sh -c 'echo looked'",
        "seldom: green",
        "refuses: sh -c 'echo not this; exit 4'",
        "refuses: exit code 4",
    ]
    assert "the gates are red: refuses: exit code 4" in told[7]
    assert f"what the gates printed is in {log}" in told[8]
    assert log.read_text(encoding="utf-8") == "looked\nnot this\n"


ADVISORY = """
[gate.lax]
command = ["sh", "-c", "exit 4"]
required = false
"""


def test_who_lands_is_told_what_the_gates_have_not_said(swarm: Swarm) -> None:
    """A red advisory gate, and a branch without any, are no green gates."""
    swarm.json("run", swarm.plan([write_task("one")]), "-y")
    for branch, text in (("lax", ADVISORY), ("bare", "")):
        swarm.git("checkout", "-q", "-b", branch, "main")
        (swarm.root / "swarm.toml").write_text(text, encoding="utf-8")
        swarm.git("commit", "-q", "-a", "-m", "by a person")
    swarm.git("checkout", "-q", "main")

    lax, bare = (swarm.call("land", "latest", "--into", branch) for branch in ("lax", "bare"))

    assert lax.stdout.strip().endswith("; red, but only advisory: lax")
    assert bare.stdout.strip().endswith(
        "; nothing has judged both together: swarm.toml there defines no gate"
    )


UNMEASURED = """
[gate.bench]
kind = "performance"
command = ["sh", "-c", "cat figure"]
measure = "output"
"""


def test_who_lands_is_told_that_a_gate_had_no_figure_to_compare_with(swarm: Swarm) -> None:
    """Its exit code decided alone: green on both is said with that."""
    swarm.json("run", swarm.plan([write_task("one")]), "-y")
    swarm.git("checkout", "-q", "-b", "release", "main")
    (swarm.root / "swarm.toml").write_text(UNMEASURED, encoding="utf-8")
    (swarm.root / "figure").write_text("none yet\n", encoding="utf-8")
    swarm.git("add", "figure")
    swarm.git("commit", "-q", "-a", "-m", "by a person")
    swarm.git("branch", "again")
    swarm.git("checkout", "-q", "main")

    told, data = swarm.call("land", "--into", "release"), swarm.json("land", "--into", "again")

    said = "compared nothing: on the base: its last line is no number above 0: 'none yet'"
    assert told.stdout.strip().endswith(f"; the gates are green on both; bench {said}")
    assert (data["gates"], data["gates_hollow"]) == ({"bench": True}, [f"bench: {said}"])


def test_a_branch_that_was_moved_back_is_not_landed_as_if_it_were_whole(swarm: Swarm) -> None:
    """Neither landed, nor shown, nor gone on with: what is missing is named, and how to put it back."""
    swarm.call("run", swarm.plan([write_task("one"), write_task("two", "one")]), "-y", "--workers", "1")
    report = swarm.json("report", "--format", "json")
    branch = str(report["branch"])
    tip = swarm.git("rev-parse", branch)
    hub = str(swarm.root / ".swarm" / "repo.git")
    swarm.git(f"--git-dir={hub}", "update-ref", f"refs/heads/{branch}", f"{tip}~1")

    refused = [swarm.call(*command) for command in (["land", "--into", "mine"], ["pr"], ["diff", "two"])]

    assert [done.returncode for done in refused] == [6, 6, 6]
    assert all(f"{tip[:12]} of run {report['run']} has landed" in done.stderr for done in refused)
    assert swarm.git("branch", "--list", "mine") == ""
    swarm.git(f"--git-dir={hub}", "update-ref", f"refs/heads/{branch}", tip)
    assert swarm.call("land", "--into", "mine").returncode == 0
    assert swarm.git("rev-parse", "mine") == tip
