"""Plans of ten thousand tasks, and of ten thousand mistakes, are answered at once."""

import json
import subprocess
import sys
from pathlib import Path

from counted_calls import calls_of
from plan_documents import problems_of

from swarm.plan.checks import find_problems


def big_plan(count: int) -> str:
    """A layered plan with scopes, reads and acceptance on every task."""
    tasks = [
        {
            "id": f"t{index}",
            "description": f"do part {index}",
            "dependencies": [f"t{d}" for d in sorted({index // 2, index - 1}) if 0 <= d < index],
            "files": [f"src/m{index}/*.py", f"docs/{index}.md"],
            "reads": ["README.md"],
            "acceptance": [["make", "test"]],
        }
        for index in range(count)
    ]
    return json.dumps({"tasks": tasks})


def test_ten_thousand_tasks_in_a_row_are_read_and_linted(tmp_path: Path) -> None:
    """Imports, parsing, checks and lint of a 10,000-deep plan together, in a process of its own."""
    (tmp_path / "plan.json").write_text(big_plan(10_000), encoding="utf-8")
    program = (
        "import pathlib, sys\n"
        "from swarm.plan.document import parse_plan\n"
        "from swarm.plan.lint import lint\n"
        "plan = parse_plan(pathlib.Path(sys.argv[1]).read_text())\n"
        "print(len(plan.tasks), len(lint(plan)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "plan.json")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout == "10000 0\n"


def test_a_sound_dependency_costs_no_words_about_it() -> None:
    """Where it stands is spelled out for an error alone: six calls a dependency then."""
    few, many = (
        [{"id": f"t{n}", "dependencies": [f"t{d}" for d in range(max(n - most, 0), n)]} for n in range(200)]
        for most in (0, 40)
    )
    edges = sum(len(task["dependencies"]) for task in many)

    extra = calls_of(lambda: find_problems(many, "$")) - calls_of(lambda: find_problems(few, "$"))

    assert extra < 8 * edges


def test_ten_thousand_mistakes_are_all_answered() -> None:
    """A plan wrong in every task is no way to make the checks slow."""
    tasks = [
        {"id": f"t{i}", "description": "x", "dependencies": [f"u{i}"], "fils": []} for i in range(10_000)
    ]
    found = problems_of(tasks)

    assert len(found) == 20_000


def test_a_cycle_of_ten_thousand_is_found_and_shortened() -> None:
    """Nothing recurses, and the message stays readable."""
    tasks = [
        {"id": f"t{i}", "description": "x", "dependencies": [f"t{(i + 1) % 10_000}"]} for i in range(10_000)
    ]

    (message,) = problems_of(tasks).values()

    assert message.startswith("$[0].dependencies: cycle: t0 -> t1 -> t2")
    assert "more …" in message
    assert len(message) < 300


def test_a_type_for_each_task_is_refused_with_the_reason() -> None:
    """Every claim of a worker of all types looks at each queue; tags in another order make no other one."""
    few = [
        {"id": f"t{n}", "description": "x", "type": f"k{n % 100}", "needs": ["a", "b"]} for n in range(201)
    ]
    few[0]["needs"] = ["b", "a"]
    many = [{"id": f"t{n}", "description": "x", "type": f"k{n}"} for n in range(201)]

    assert find_problems(few, "$") == []
    (problem,) = find_problems(many, "$")
    assert problem.message.startswith("201 different `type`s")
