"""Two changes that do not fit together, and what each was for: told to the next attempt, or to a person."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swarm.plan.model import TaskSpec
from swarm.repo.git.command import Git
from swarm.repo.git.merge import MAX_EVIDENCE, Conflict
from swarm.repo.git.paths import fitting, shown
from swarm.repo.git.trailers import parse_landed
from swarm.repo.git.unseen import unseen_in_patch

LANDED, BEFORE, ATTEMPT = "landed", "before", "attempt"
"""What the three sides are called in hunks, where git has ids of commits."""
_BEGAN_WITH = re.compile(r"^([ +-]?\|{7}) [0-9a-f]{7,64}(?=\r?$)", re.MULTILINE)


@dataclass(frozen=True)
class Sides:
    """A conflict from both sides, on the paths that are in it."""

    paths: tuple[str, ...]
    landed: tuple[str, ...]  # what landed there meanwhile: `task: what it was to do`
    ours: str  # what that changed
    theirs: str  # what the attempt changed
    hunks: str  # both and what they began with, as far as git could merge them, and sizes of binary files

    def render(self, task: TaskSpec, most: int | None = MAX_EVIDENCE) -> str:
        """All of it as text; each part is cut to its share of `most` characters, None: to none."""
        share = most // 4 if most else None
        landed = "\n".join(self.landed) or "(nothing that is known to swarm)"
        parts = {
            f"The change of {task.id!r} conflicts with what has landed since it began, in": ", ".join(
                map(spelled_out, self.paths)
            ),
            "What has landed there since": landed,
            f"What {task.id!r} was to do": task.description.strip(),
            f"The conflict, with the lines that both began with ({LANDED}, {BEFORE}, {ATTEMPT})": self.hunks,
            "What the landed changes did there": self.ours,
            f"What {task.id!r} did there": self.theirs,
        }
        return "".join(f"# {head}\n\n{_cut(text, share).rstrip()}\n\n" for head, text in parts.items())


def read_sides(git: Git, conflict: Conflict, *, base: str, tip: str, attempt: str) -> Sides:
    """Both sides of a conflict.

    Args:
        git: the repository.
        conflict: where, and its hunks.
        base: the commit that the attempt began with.
        tip: what it was merged onto.
        attempt: its own commit.
    """
    paths = fitting(path.encode("utf-8", "surrogateescape") for path in conflict.paths)
    merged = _with_sides(conflict, tip=tip, attempt=attempt)
    return Sides(
        paths=conflict.paths,
        landed=_landed(git, base, tip, paths),
        ours=_patch(git, base, tip, paths),
        theirs=_patch(git, base, attempt, paths),
        hunks="\n".join([*_left(conflict, paths), *_binary(git, base, tip, attempt, paths), merged]),
    )


def spelled_out(path: str) -> str:
    """A path on one line: none can be taken for a heading."""
    return shown(path.encode("utf-8", "surrogateescape"))


def _left(conflict: Conflict, paths: Sequence[bytes]) -> list[str]:
    """A line where there are more paths than git can be asked for at once."""
    left = len(conflict.paths) - len(paths)
    return [f"of the last {left} of these {len(conflict.paths)} paths nothing is shown"] if left else []


def _with_sides(conflict: Conflict, *, tip: str, attempt: str) -> str:
    """The hunks with the sides' names for their ids, which tell nobody whose is which."""
    text = conflict.evidence
    for path in conflict.paths:
        if (named := spelled_out(path)) != path:  # git's messages have it as it is
            text = text.replace(path, named)
    return _BEGAN_WITH.sub(rf"\1 {BEFORE}", text.replace(tip, LANDED).replace(attempt, ATTEMPT))


def _binary(git: Git, base: str, tip: str, attempt: str, paths: Sequence[bytes]) -> Iterator[str]:
    """A line for each file of which no hunk shows anything."""
    landed, own = (
        {one.path: one for one in unseen_in_patch(git, base, side, paths)} for side in (tip, attempt)
    )
    for path in sorted(landed.keys() & own.keys()):
        sizes = (
            f"{side}: {f'{size} bytes' if size else 'none'}"
            for side, size in (
                (BEFORE, landed[path].before), (LANDED, landed[path].after), (ATTEMPT, own[path].after)
            )
        )  # fmt: skip
        yield f"binary, nothing of it is shown: {spelled_out(path)} ({', '.join(sizes)})"


def _landed(git: Git, base: str, tip: str, paths: Sequence[bytes]) -> tuple[str, ...]:
    log = git.run(
        "--literal-pathspecs", "log", "--first-parent", "--reverse", "-z", "--encoding=UTF-8",
        "--format=%H%n%B", f"{base}..{tip}", "--", *paths,
    )  # fmt: skip
    told = []
    for record in (each.decode("utf-8", "replace") for each in log.split(b"\0") if each):
        commit, _, message = record.partition("\n")
        found = parse_landed(record)
        told.append(f"{found.task if found else commit[:12]}: {message.splitlines()[0] if message else ''}")
    return tuple(told)


def _patch(git: Git, old: str, new: str, paths: Sequence[bytes]) -> str:
    raw = git.run(
        "--literal-pathspecs",
        "diff-tree",
        "-p",
        "-r",
        "-M",
        "--no-ext-diff",
        "--no-textconv",
        old,
        new,
        "--",
        *paths,
    )
    return raw.decode("utf-8", "replace")


def _cut(text: str, most: int | None) -> str:
    if most is None or len(text) <= most:
        return text
    return f"{text[:most]}\n… (cut: {len(text) - most} of {len(text)} characters are not here)\n"
