"""What a reviewer and a judge answer: the schemas they are held to, and what is read from their words."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from swarm.observe.wording import one_line

MOST_FINDINGS = 30
_REASON_CELLS = 200
_MESSAGE_CELLS = 600
_TEXT = {"type": "string"}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object as the Messages API takes it: closed and complete."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class Answer(BaseModel):
    """An answer by schema. Models that ignore the schema may add fields; they may leave none out."""

    model_config = ConfigDict(frozen=True)
    # Any: JSON Schema is JSON.
    schema_asked: ClassVar[dict[str, Any]]


class Finding(BaseModel):
    """One thing that a reviewer found."""

    model_config = ConfigDict(frozen=True)

    path: str
    line: int  # 0: the file as a whole
    severity: Literal["blocker", "major", "minor"]
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line > 0 else self.path
        return one_line(f"{self.severity}: {place}: {self.message}", _MESSAGE_CELLS)


class Review(Answer):
    """A reviewer's answer."""

    schema_asked = _closed(
        {
            "findings": {
                "type": "array",
                "items": _closed(
                    {
                        "path": {**_TEXT, "description": "Relative to the repository's top."},
                        "line": {"type": "integer", "description": "In the new file; 0 for all of it."},
                        "severity": {**_TEXT, "enum": ["blocker", "major", "minor"]},
                        "message": {**_TEXT, "description": "What is wrong, and what would be right."},
                    }
                ),
            },
            "summary": {**_TEXT, "description": "The verdict's reason, in a sentence or two."},
            "verdict": {**_TEXT, "enum": ["approve", "reject"]},
        }
    )

    verdict: Literal["approve", "reject"]
    findings: list[Finding]
    summary: str

    @property
    def is_approval(self) -> bool:
        """It says so, and does not name in the same breath what must not land."""
        return self.verdict == "approve" and all(one.severity != "blocker" for one in self.findings)

    @property
    def reason(self) -> str:
        """One line for a person."""
        return one_line(self._reason, _REASON_CELLS)

    @property
    def _reason(self) -> str:
        gravest = next((one.message for one in self._by_weight()), "no reason given")
        if self.verdict == "approve" and not self.is_approval:
            return f"approves, and yet names a blocker: {gravest}"  # its summary praises the change
        return self.summary.strip() or gravest

    def lines(self) -> Iterator[str]:
        """All of it, for a log and for the next attempt, the gravest first."""
        word, said = ("approved", self.summary) if self.is_approval else ("rejected", self._reason)
        yield f"{word}: {one_line(said, _MESSAGE_CELLS)}"
        found = self._by_weight()
        yield from map(str, found[:MOST_FINDINGS])
        if len(found) > MOST_FINDINGS:
            yield f"and {len(found) - MOST_FINDINGS} findings more"

    def _by_weight(self) -> list[Finding]:
        order = ("blocker", "major", "minor")
        return sorted(self.findings, key=lambda one: order.index(one.severity))


class Choice(Answer):
    """A judge's answer."""

    schema_asked = _closed(
        {
            "reason": {**_TEXT, "description": "Why this one, in a sentence or two."},
            "choice": {"type": "integer", "description": "The number of the best candidate."},
        }
    )

    choice: int  # 1 for the first that was shown
    reason: str
