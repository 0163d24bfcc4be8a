"""A machine to read settings on, in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import swarm

PROGRAM = """
import dataclasses, json, sys
from pathlib import Path
from swarm.errors import SwarmError
from swarm.settings import load_settings, scrubbed_environment

start, flags = Path(sys.argv[1]), json.loads(sys.argv[2])
try:
    settings = load_settings(start, flags)
except SwarmError as error:
    print(json.dumps({"error": error.message, "hint": error.hint, "code": error.code}))
else:
    values = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    shown = {"repr": repr(settings), "hub": settings.mirror, "scrubbed": scrubbed_environment()}
    credential = {"has_model_credential": settings.has_model_credential}
    print(json.dumps({**values, **shown, **credential}, default=str))
"""


@dataclass
class Machine:
    """A repository, a person's configuration, and an environment to read settings in."""

    root: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        """Write a file of the repository."""
        (self.root / name).write_text(text, encoding="utf-8")

    def write_user_config(self, text: str) -> None:
        """Write the person's own configuration."""
        path = self.home / ".config" / "swarm" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def load(self, *, start: Path | None = None, **flags: object) -> dict[str, object]:
        """Load the settings in a fresh process."""
        kept = ("PATH", "LANG", "COVERAGE_PROCESS_CONFIG")
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(start or self.root), json.dumps(flags)],
            env={
                **{name: os.environ[name] for name in kept if name in os.environ},
                "HOME": str(self.home),
                "PYTHONPATH": str(Path(str(swarm.__file__)).parents[1]),
                **self.environment,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = json.loads(done.stdout)
        assert isinstance(loaded, dict)
        return loaded
