"""The command line: one file per panel, each imported only when one of its commands is invoked."""

import sys


def main() -> None:
    """Run the command line in `sys.argv` and exit with its code."""
    from swarm.cli.app import run_cli

    sys.exit(run_cli(sys.argv[1:]))
