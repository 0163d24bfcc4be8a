"""The program that runs next to an agent: it does what the trusted side asks, below one folder.

Start it as `python -m swarm.sandbox.tool_host --tree DIR`, or, where only this folder is mounted,
as `python -I DIR_OF_THIS_FILE/tool_host.py --tree DIR`. It speaks `protocol`'s line JSON on stdin
and stdout, does one request at a time, and ends with all its descendants when stdin closes.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

_ALONE = "swarm_sandbox"


def main() -> int:
    """Serve until stdin closes; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tool_host", description=__doc__)
    parser.add_argument("--tree", type=Path, required=True, help="the folder to work in")
    parser.add_argument("--confine", type=json.loads, help="the fields of a `landlock.Confinement`, as JSON")
    arguments = parser.parse_args()
    if not arguments.tree.is_dir():
        parser.error(f"--tree: {str(arguments.tree)!r} is not a folder")
    serving = importlib.import_module(".serving", _package())
    confinement = serving.Confinement(**arguments.confine) if arguments.confine else None
    code: int = serving.serve(arguments.tree, confinement)
    return code


def _package() -> str:
    """The package this file belongs to; made from the folder when it was started as a plain file."""
    if __package__:
        return __package__
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        _ALONE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load the package in {str(folder)!r}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_ALONE] = package
    spec.loader.exec_module(package)
    return _ALONE


if __name__ == "__main__":
    sys.exit(main())
