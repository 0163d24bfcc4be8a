"""What a command in a container is told of paths, over the pipes of its tool host."""

import io
import json
from pathlib import Path
from typing import cast

from swarm.fleet.container import ContainerSandbox, RunningContainer
from swarm.sandbox.protocol import Ending


class NoContainer:
    """Nothing was started."""

    def end(self) -> Ending:
        """It never ran."""
        return Ending(0, ran_out_of_memory=False)

    def ending(self) -> Ending | None:
        """It never ran."""
        return None

    def clean_up(self) -> None:
        """It left nothing."""


def test_a_path_below_the_tree_is_named_as_the_container_sees_it(tmp_path: Path) -> None:
    """The tree is mounted elsewhere there; other values are what they are, and the host's own stay out."""
    finished = {
        "exit_code": 0,
        "output": "",
        "duration_s": 0.1,
        "timed_out": False,
        "ran_out_of_memory": False,
        "output_truncated": False,
    }
    requests = io.BytesIO()
    sandbox = ContainerSandbox(
        tmp_path,
        requests=requests,
        replies=io.BytesIO(json.dumps({"id": 1, "result": finished}).encode() + b"\n"),
        host=cast("RunningContainer", NoContainer()),
        memory_mb=1,
        max_log_bytes=1,
        inside="/workspace",
    )
    env = {"SWARM_EXPAND": f"{tmp_path}/wish.json", "BESIDE": f"{tmp_path}-x/y", "HOME": "/root"}

    sandbox.run(["true"], timeout_s=1, env=env)

    sent = json.loads(requests.getvalue())["arguments"]["env"]
    assert sent == {"SWARM_EXPAND": "/workspace/wish.json", "BESIDE": f"{tmp_path}-x/y"}
