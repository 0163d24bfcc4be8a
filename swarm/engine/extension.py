"""The scope of a task that asks for more files while it runs, and what it may ask for at all."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from swarm.engine.encoding import encode_spec
from swarm.engine.locks import compile_locks, lock_text
from swarm.errors import RefusedError
from swarm.plan.model import TaskSpec
from swarm.plan.scope import PatternError, is_inside, literal_prefix, normalise_pattern

MOST_PATTERNS = 1_000


def grown_spec(
    task: TaskSpec, *, files: Iterable[str], reads: Iterable[str], bounds: Sequence[str]
) -> TaskSpec:
    """The task with a scope that covers these as well; the task itself when it does already.

    Args:
        task: as it is claimed.
        files: paths or globs to change as well.
        reads: paths or globs that must not change meanwhile.
        bounds: for a part of an expanded task, the patterns that its `files` stay inside; none: anywhere.

    Raises:
        RefusedError: not a path of the repository, all of it, outside the bounds, or the plan says that
            the task changes nothing.
    """
    more = [one for one in _normalised(files) if not is_inside(one, task.files)]
    if more and not task.files:
        raise RefusedError(
            f"task {task.id!r} changes no files, so it cannot ask for {more[0]!r}",
            hint="give it `files` in the plan",
        )
    for pattern in more:
        if bounds and not is_inside(pattern, bounds):
            raise RefusedError(
                f"{pattern!r} is not inside the write scope of what task {task.id!r} is a part of",
                hint=f"stay within {', '.join(map(repr, bounds[:5]))}",
            )
    files_now = (*task.files, *more)
    known = (*files_now, *task.reads)
    reads_now = (*task.reads, *(one for one in _normalised(reads) if not is_inside(one, known)))
    if max(len(files_now), len(reads_now)) > MOST_PATTERNS:
        raise RefusedError(f"more than {MOST_PATTERNS} patterns in one scope", hint="ask for their folder")
    return replace(task, files=files_now, reads=reads_now)


def stored_scope(spec: TaskSpec) -> tuple[str, str]:
    """What is stored of a task's scope: the task itself, and its locks."""
    return encode_spec(spec), lock_text(compile_locks(spec))


def _normalised(patterns: Iterable[str]) -> list[str]:
    found = []
    for text in patterns:
        try:
            pattern = normalise_pattern(text)
        except PatternError as error:
            raise RefusedError(str(error), hint="give a path or glob inside the repository") from None
        if not literal_prefix(pattern):
            raise RefusedError(
                f"{text!r} would lock the whole repository", hint="name the files, or their folder"
            )
        found.append(pattern)
    return list(dict.fromkeys(found))
