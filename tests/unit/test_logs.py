"""Log lines are lost before a process is."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
from swarm.logs import log_to_stderr
import structlog
log_to_stderr()
for number in range(10_000):
    structlog.get_logger().warning("a line", number=number)
print("alive")
"""


def test_a_full_disk_under_the_log_ends_nobody() -> None:
    """A supervisor has more to do than to write lines."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=full, check=False
        )

    assert ended.stdout == b"alive\n"


def test_log_lines_go_to_standard_error() -> None:
    """One line each, whole."""
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)

    assert len(ended.stderr.splitlines()) == 10_000
    assert b'"number": 9999' in ended.stderr.splitlines()[-1]


def test_no_traceback_in_the_log_shows_what_was_worked_on() -> None:
    """Values may be secrets, or as large as the memory."""
    script = (
        "import structlog; from swarm.logs import log_to_stderr; log_to_stderr()\n"
        "def work(held):\n    raise ValueError('what went wrong')\n"
        "try:\n    work('hun' + 'ter2')\n"
        "except ValueError:\n    structlog.get_logger().exception('tick failed')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)

    assert "what went wrong" in ended.stderr
    assert '"name": "work"' in ended.stderr
    assert "hunter2" not in ended.stderr
