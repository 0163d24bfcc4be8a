"""Log lines: JSON on stderr, a fixed sentence plus the fields run, task, attempt, worker, token."""

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog


class _Spared:
    """Standard error, which may be a file on a full disk: then lines are lost, and nobody dies of it."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def log_to_stderr() -> None:
    """Configure structlog for a process that people read through `jq`, not on a terminal."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            # Without locals: they hold what agents wrote, keys, and whole trees.
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.EventRenamer("msg"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Spared())),
        cache_logger_on_first_use=True,
    )
