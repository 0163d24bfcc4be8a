"""What the scripted model of the demo says: the plan, and each task's turns.

Every turn is chosen by the task named in the prompt and by how often the model has spoken, never by
memory, so that parallel workers, retries and a restart find the script where they left it.
"""

from collections.abc import Sequence
from importlib.resources import files

from swarm.testing.script import Rule, ScriptedReply, saying, using

THINK_S = 0.4

PLANNER = "You are the planner of swarm"

TEXT_PLACE = "# For people: `as_text(analysis)` goes here.\n"
JSON_PLACE = "# For programs: `as_json(analysis)` goes here.\n"

FIRST_END = r"""_END = re.compile(r"(?<=[.?!])\s+|\n\s*\n")
"""
BETTER_END = r"""# An abbreviation such as "e.g." is letters that each have a full stop.
_END = re.compile(r"(?<=[.?!])(?<!\b\w\.\w\.)\s+|\n\s*\n")
"""


def demo_rules() -> list[Rule]:
    """The whole script, the plan first."""
    plan = Rule(saying(_packaged("plan.json"), delay_s=3 * THINK_S), (PLANNER,))
    return [plan, *(rule for task, turns in _turns().items() for rule in _rules(task, turns))]


def _rules(task: str, turns: Sequence[ScriptedReply]) -> list[Rule]:
    """One rule a turn; whoever asks once more hears the last again."""
    contains = (f"<task>\nid: {task}\n",)
    return [*(Rule(reply, contains, turn) for turn, reply in enumerate(turns)), Rule(turns[-1], contains)]


def _turns() -> dict[str, list[ScriptedReply]]:
    return {
        "plain-text": _module("plain", "plain", "plain_text strips markup with a few expressions."),
        "words": _module("words", "words", "words and unique_words are there."),
        "sentences": _sentences(),
        "headings": _module("headings", "headings", "headings finds all six levels outside of code."),
        "links": _module("links", "links", "links resolves inline, reference and bare links."),
        "frequency": _module("frequency", "frequency", "common_words counts without small words."),
        "reading-time": _module("reading", "reading", "Reading time and mean sentence length are there."),
        "analysis": _module("analysis", "analysis", "analyse puts all parts together."),
        "render-text": _insertion("render_text", TEXT_PLACE, "as_text is in its place."),
        "render-json": _insertion("render_json", JSON_PLACE, "as_json is in its place."),
        "guide": [
            _reading("tally/model.py", "The guide has to explain every field of the model."),
            _writing("docs/guide.md", "guide.md"),
            _testing("tests.test_guide"),
            _done("The guide explains every field and how to call tally."),
        ],
        "command-line": [
            _reading("tests/test_cli.py", "What does the command line have to do?"),
            _writing("tally/cli.py", "cli.py"),
            _writing("tally/__main__.py", "main.py"),
            _testing("tests.test_cli"),
            _done("`python3 -m tally FILE` prints text, or JSON with --json."),
        ],
        "release": _release(),
    }


def _module(module: str, test: str, summary: str) -> list[ScriptedReply]:
    """Read the tests, write the module, run the tests."""
    return [
        _reading(f"tests/test_{test}.py", "Let me see what the tests expect."),
        _writing(f"tally/{module}.py", f"{module}.py"),
        _testing(f"tests.test_{test}"),
        _done(summary),
    ]


def _sentences() -> list[ScriptedReply]:
    """The first try splits after "e.g."; the test says so, and the second does not."""
    return [
        _reading("tests/test_sentences.py", "Let me see what the tests expect."),
        _writing("tally/sentences.py", "sentences_first.py"),
        _testing("tests.test_sentences"),
        _editing(
            "tally/sentences.py", FIRST_END, BETTER_END, "It splits after `e.g.`; that needs a look behind."
        ),
        _testing("tests.test_sentences"),
        _done("sentences knows abbreviations, numbers and empty lines."),
    ]


def _insertion(answer: str, place: str, summary: str) -> list[ScriptedReply]:
    """Fill one of the two places of render.py, touching nothing else in it."""
    return [
        _reading("tally/render.py", "The place for it is marked."),
        _editing("tally/render.py", place, _packaged(f"answers/{answer}.py.txt"), "Only this place changes."),
        _testing(f"tests.test_{answer}"),
        _done(summary),
    ]


def _release() -> list[ScriptedReply]:
    version = '__version__ = "0.1.0"\n'
    exported = 'from tally.analysis import analyse\n\n__all__ = ["analyse"]\n__version__ = "1.0.0"\n'
    entry = "# Changes\n\n## 1.0.0\n\nThe whole analysis, a command line and a guide.\n"
    return [
        using("list_files", {"path": "."}, say="Is everything there?", delay_s=THINK_S),
        _editing("tally/__init__.py", version, exported, "Everything is there."),
        _editing("CHANGELOG.md", "# Changes\n", entry, "Now the changelog."),
        using(
            "run_command",
            {"argv": ["python3", "-m", "unittest", "discover", "--quiet", "-s", "tests", "-t", "."]},
            say="All tests, without exception.",
            delay_s=THINK_S,
        ),
        _done("Version 1.0.0 with its changelog; all tests pass."),
    ]


def _reading(path: str, say: str) -> ScriptedReply:
    return using("read_file", {"path": path}, say=say, delay_s=THINK_S)


def _writing(path: str, answer: str) -> ScriptedReply:
    content = _packaged(f"answers/{answer}.txt")
    return using("write_file", {"path": path, "content": content}, delay_s=2 * THINK_S)


def _editing(path: str, old: str, new: str, say: str) -> ScriptedReply:
    return using("edit_file", {"path": path, "old": old, "new": new}, say=say, delay_s=THINK_S)


def _testing(module: str) -> ScriptedReply:
    argv = ["python3", "-m", "unittest", "--quiet", module]
    return using("run_command", {"argv": argv}, say="Does it hold?", delay_s=THINK_S / 2)


def _done(summary: str) -> ScriptedReply:
    return saying(summary, delay_s=THINK_S / 2)


def _packaged(name: str) -> str:
    return files("swarm.demo").joinpath(name).read_text(encoding="utf-8")
