"""The command line: one file per panel, each imported only when one of its commands is invoked."""

import gc
import sys

GARBAGE_THRESHOLD = 25_000


def main() -> None:
    """Run the command line in `sys.argv` and exit with its code."""
    # At the default of 700 the collector looks 40 times through what imports make, a tenth of `swarm
    # status`, and finds nothing.
    gc.set_threshold(GARBAGE_THRESHOLD)
    from swarm.cli.app import run_cli

    code = run_cli(sys.argv[1:])
    # On its way out the interpreter lets the collector look through everything once more, for which a
    # look waits 10 ms; what is frozen is passed over.
    gc.freeze()
    sys.exit(code)
