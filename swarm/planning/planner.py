"""Requirements to a plan: ask a model, check what it says, send it back at most twice.

What the model said is on disk before anyone judges it, so that no failure loses it.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from swarm.errors import PlanError, Problem
from swarm.models.reply import Json, Reply
from swarm.models.structured import json_in
from swarm.models.usage import Usage
from swarm.plan.document import parse_plan
from swarm.plan.lint import lint
from swarm.plan.model import Plan
from swarm.plan.schema import planner_schema

MAX_REPAIRS = 2
MAX_TOKENS = 32_000
TIMEOUT_S = 1_200.0
SOURCE = "the model's plan"
_PROBLEMS_SENT = 50


class Asks(Protocol):
    """What the planner needs of a model client."""

    def create(
        self,
        *,
        model: str,
        system: list[Json],
        messages: list[Json],
        max_tokens: int,
        output_schema: Json | None,
        timeout_s: float,
    ) -> Reply:
        """Ask once; see `ModelClient.create`."""
        ...


@dataclass(frozen=True)
class PlannedResult:
    """A plan that can be submitted, and what making it took."""

    plan: Plan
    usage: Usage
    replies: tuple[Reply, ...]

    @property
    def repairs(self) -> int:
        """How often the plan went back to the model; a continued answer is not counted."""
        return sum(reply.stop_reason != "max_tokens" for reply in self.replies) - 1


def plan_requirements(text: str, repo_map: str, client: Asks, *, model: str, keep: Path) -> PlannedResult:
    """Ask `model` for a plan of the requirements in `text`, for the repository that `repo_map` describes.

    What the model says is kept in the folder `keep`, one file an answer.

    Raises:
        PlanError: refused, cut off twice, or still wrong after two repairs; names where the answers are.
        SwarmError: as `ModelClient.create`.
    """
    return _Conversation(client, model=model, keep=keep).plan(text, repo_map)


class _Conversation:
    """One plan in the making."""

    def __init__(self, client: Asks, *, model: str, keep: Path) -> None:
        self._client = client
        self._model = model
        self._keep = keep
        self._messages: list[Json] = []
        self._replies: list[Reply] = []
        self._system: list[Json] = [
            _cached(files("swarm.planning").joinpath("prompts/planner.md").read_text("utf-8"))
        ]

    def plan(self, text: str, repo_map: str) -> PlannedResult:
        """Ask, and repair until the plan is sound."""
        request = f"Requirements:\n\n{text.strip()}\n\nWrite the plan."
        self._say([_cached(f"The repository:\n\n{repo_map}"), {"type": "text", "text": request}])
        problems: list[Problem] = []
        for _ in range(1 + MAX_REPAIRS):
            answer = self._answer()
            plan, problems = _judged(answer)
            if plan is not None:
                usage = sum((reply.usage for reply in self._replies), Usage())
                return PlannedResult(plan, usage, tuple(self._replies))
            self._messages.append({"role": "assistant", "content": answer or "(no text)"})
            self._say([{"type": "text", "text": _complaint(problems)}])
        raise self._error(f"the model's plan is still wrong after {MAX_REPAIRS} repairs", problems)

    def _answer(self) -> str:
        """The next answer in full; one that was cut off is continued once."""
        reply = self._ask(planner_schema())
        if reply.stop_reason != "max_tokens":
            return reply.text
        # The rest of a document does not fit the schema of the whole, so this question has none.
        rest = (
            "You were cut off. Go on exactly where you stopped: send only the rest,"
            " beginning with the next character."
        )
        self._messages.append({"role": "assistant", "content": reply.text or "(no text)"})
        self._say([{"type": "text", "text": rest}])
        second = self._ask(None)
        del self._messages[-2:]
        if second.stop_reason == "max_tokens":
            raise self._error(
                f"the model's plan is longer than {2 * MAX_TOKENS} tokens; plan a part of it at a time"
            )
        # Some models begin anew instead of going on.
        return second.text if _is_json(json_in(second.text)) else reply.text + second.text

    def _ask(self, schema: Json | None) -> Reply:
        reply = self._client.create(
            model=self._model,
            system=self._system,
            messages=list(self._messages),
            max_tokens=MAX_TOKENS,
            output_schema=schema,
            timeout_s=TIMEOUT_S,
        )
        self._replies.append(reply)
        self._write(reply)
        if reply.stop_reason == "refusal":
            reason = f": {reply.explanation}" if reply.explanation else ""
            raise self._error(f"the model refused to plan these requirements{reason}")
        if reply.stop_reason == "model_context_window_exceeded":
            raise self._error("the requirements and the repository do not fit the model's context window")
        return reply

    def _say(self, blocks: list[Json]) -> None:
        self._messages.append({"role": "user", "content": blocks})

    def _write(self, reply: Reply) -> None:
        self._keep.mkdir(parents=True, exist_ok=True)
        said = reply.text or json.dumps(
            {"stop_reason": reply.stop_reason, "content": reply.content}, indent=2
        )
        (self._keep / f"reply-{len(self._replies)}.txt").write_text(said, encoding="utf-8", errors="replace")

    def _error(self, message: str, problems: list[Problem] | None = None) -> PlanError:
        last = self._keep / f"reply-{len(self._replies)}.txt"
        return PlanError(
            message,
            problems or [],
            hint=f"what the model said is in {last}; correct it by hand or plan again",
        )


def _cached(text: str) -> Json:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def _judged(answer: str) -> tuple[Plan | None, list[Problem]]:
    """The plan, or all that is wrong with it; what the linter calls an error counts as wrong."""
    try:
        plan = parse_plan(json_in(answer), source=SOURCE)
    except PlanError as error:
        return None, list(error.problems) or [Problem("$", error.message)]
    errors = [Problem(f.path, f.message, f.hint) for f in lint(plan) if f.level == "error"]
    return (None, errors) if errors else (plan, [])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _complaint(problems: list[Problem]) -> str:
    lines = [f"- {problem}" for problem in problems[:_PROBLEMS_SENT]]
    if len(problems) > _PROBLEMS_SENT:
        lines.append(f"- and {len(problems) - _PROBLEMS_SENT} more like these")
    return (
        "The plan cannot be used:\n"
        + "\n".join(lines)
        + "\n\nSend the whole plan again with all of it corrected."
    )
