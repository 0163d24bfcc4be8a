"""Two changes that do not fit together, and what each was for: told to the next attempt, or to a person."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarm.plan.model import TaskSpec
from swarm.repo.git.command import Git
from swarm.repo.git.merge import MAX_EVIDENCE, Conflict
from swarm.repo.git.paths import fitting
from swarm.repo.git.trailers import parse_landed

_CUT = "… (cut)\n"


@dataclass(frozen=True)
class Sides:
    """A conflict from both sides, on the paths that are in it."""

    paths: tuple[str, ...]
    landed: tuple[str, ...]  # what landed there meanwhile: `task: what it was to do`
    ours: str  # what that changed
    theirs: str  # what the attempt changed
    hunks: str  # both and what they began with, as far as git could merge them

    def render(self, task: TaskSpec, most: int = MAX_EVIDENCE) -> str:
        """All of it as text; each part is cut to its share of `most` characters."""
        share = most // 4
        landed = "\n".join(self.landed) or "(nothing that is known to swarm)"
        parts = {
            f"The change of {task.id!r} conflicts with what has landed since it began, in": ", ".join(
                self.paths
            ),
            "What has landed there since": landed,
            f"What {task.id!r} was to do": task.description.strip(),
            "The conflict, with the lines that both began with": self.hunks,
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
    return Sides(
        paths=conflict.paths,
        landed=_landed(git, base, tip, paths),
        ours=_patch(git, base, tip, paths),
        theirs=_patch(git, base, attempt, paths),
        hunks=conflict.evidence,
    )


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
        "--no-ext-diff",
        "--no-textconv",
        old,
        new,
        "--",
        *paths,
    )
    return raw.decode("utf-8", "replace")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT
