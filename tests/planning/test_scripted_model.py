"""The scripted model as a program, and the scripts it reads."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from swarm.models.client import ModelClient
from swarm.settings import Settings
from swarm.testing.script import Rule, first_match, saying
from swarm.testing.scripted_model import ScriptedModel

RULES = [
    {"contains": ["apples"], "turn": 0, "reply": {"text": "About apples."}},
    {"contains": ["apples"], "reply": {"text": "Apples again.", "stop_reason": "end_turn"}},
    {"reply": {"status": 403, "error_type": "permission_error", "error_message": "only apples"}},
]


def test_a_script_file_is_served_by_the_program(tmp_path: Path) -> None:
    """It prints its address as JSON, answers by rule and turn, and ends when interrupted."""
    (tmp_path / "script.json").write_text(json.dumps(RULES), encoding="utf-8")
    argv = [sys.executable, "-m", "swarm.testing.scripted_model", "--script", str(tmp_path / "script.json")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as program:
        assert program.stdout is not None
        url = json.loads(program.stdout.readline())["url"]
        first = {"role": "user", "content": "tell me about apples"}
        later = [
            first,
            {"role": "assistant", "content": "About apples."},
            {"role": "user", "content": "more"},
        ]
        with ModelClient(Settings(anthropic_api_key="k", anthropic_base_url=url)) as client:
            said = [
                client.create(model="m", system="s", messages=messages, max_tokens=9).text
                for messages in ([first], later)
            ]
        program.send_signal(signal.SIGINT)

    assert said == ["About apples.", "Apples again."]
    assert program.returncode == 0


def test_a_reply_that_is_being_delayed_ends_with_the_server() -> None:
    """Closing does not wait for somebody who thinks for a minute."""
    with ScriptedModel(first_match([Rule(saying("late", delay_s=60))])) as model:
        argv = [
            sys.executable,
            "-c",
            f"import urllib.request as u; u.urlopen('{model.url}/v1/messages', b'{{}}')",
        ]
        caller = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        while not model.requests:
            assert caller.poll() is None

    assert caller.wait(timeout=20) != 0
