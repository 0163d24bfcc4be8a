"""The agent `messages`: a loop of model turns and tool calls over the Messages API.

The model client has done its own retries; here nothing is repeated. Every way in which a turn can
end has a stated outcome; what is the provider's fault is charged to no task, what was paid for is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol  # content blocks are JSON from outside; each is checked before use

from swarm.engine.claims import Failure
from swarm.models.usage import Usage
from swarm.plan.model import Plan, TaskSpec
from swarm.sandbox.protocol import Sandbox
from swarm.states import FailureKind
from workers.agents.agent import AgentContext, AgentResult
from workers.agents.briefing import brief, system_prompt
from workers.agents.provider import NO_ANSWER, provider_failure
from workers.agents.transcript import Transcript
from workers.asking import ASKING, EXPAND, EXTEND, ask_to_expand, ask_to_extend
from workers.prompts import load_prompt
from workers.tools import TOOLS, ToolAnswer, call_tool

MAX_ANSWER_TOKENS = 16_000
TURN_LIMIT_S = 600.0
MAX_BAD_TURNS = 2
"""Cut or empty answers in a row before giving up."""
GAVE_UP = "FAILED:"
_CACHED: dict[str, str] = {"type": "ephemeral"}

Message = dict[str, Any]


class Reply(Protocol):
    """One answer of a model."""

    @property
    def content(self) -> Sequence[Mapping[str, Any]]:
        """Content blocks, as the Messages API has them."""
        ...

    @property
    def stop_reason(self) -> str:
        """Why the turn ended."""
        ...

    @property
    def usage(self) -> Usage:
        """What this turn cost."""
        ...


class ModelClient(Protocol):
    """The part of `swarm.models.client` that an agent needs."""

    def create(
        self,
        *,
        model: str,
        system: list[Message],
        messages: list[Message],
        tools: list[Message],
        max_tokens: int,
        timeout_s: float,
    ) -> Reply:
        """Ask for one turn.

        Raises:
            AuthenticationError, ModelRequestError: no turn, and asking again will not help.
            ModelUnreachableError, LimitReachedError: no turn; already retried.
        """
        ...


@dataclass(frozen=True)
class Limits:
    """What one attempt may use."""

    max_turns: int = 50
    max_tokens: int = 400_000  # input and output; what came from the cache is not counted


class MessagesAgent:
    """Works on a task by asking a model and doing what it asks for."""

    def __init__(self, client: ModelClient, *, model_of: Callable[[str], str], limits: Limits) -> None:
        self._client = client
        self._model_of = model_of  # tier -> model
        self._limits = limits

    def run(self, task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        """Converse until the model is done, gives up, or a limit is reached."""
        conversation = _Conversation(task, sandbox, context)
        model = self._model_of(task.tier)
        for _ in range(self._limits.max_turns):
            context.check()
            if failure := conversation.limit_reached(self._limits.max_tokens):
                return conversation.result(failure)
            try:
                reply = self._client.create(
                    model=model,
                    system=conversation.system,
                    messages=conversation.to_send(),
                    tools=[*TOOLS, *ASKING],
                    max_tokens=MAX_ANSWER_TOKENS,
                    timeout_s=min(conversation.left_s(), TURN_LIMIT_S),
                )
            except NO_ANSWER as error:
                failure = conversation.limit_reached(self._limits.max_tokens) or provider_failure(error)
                return conversation.result(failure)
            if (result := conversation.take(reply)) is not None:
                return result
        reason = f"used all of its {self._limits.max_turns} turns"
        return conversation.result(Failure(FailureKind.TASK_ERROR, reason, conversation.last_text))


class _Conversation:
    """The messages so far, and what they have cost."""

    def __init__(self, task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> None:
        self._task = task
        self._sandbox = sandbox
        self._context = context
        self._transcript = Transcript(context.transcript, context.log)
        self._deadline_s = context.clock.monotonic_s() + task.timeout_s
        self._usage = Usage()
        self._bad_turns = 0
        self._expansion: Plan | None = None
        self._messages: list[Message] = []
        self.last_text = ""
        self.system: list[Message] = [{"type": "text", "text": system_prompt(), "cache_control": _CACHED}]
        self._say([{"type": "text", "text": brief(task, context.evidence)}])

    def to_send(self) -> list[Message]:
        """All messages, our last block marked: the next turn reads everything up to it from the cache."""
        ours = max(n for n, message in enumerate(self._messages) if message["role"] == "user")
        *blocks, block = self._messages[ours]["content"]
        marked = {"role": "user", "content": [*blocks, {**block, "cache_control": _CACHED}]}
        return [*self._messages[:ours], marked, *self._messages[ours + 1 :]]

    def limit_reached(self, max_tokens: int) -> Failure | None:
        """The time or the tokens are used up."""
        if self.left_s() <= 0:
            reason = f"not done within {self._task.timeout_s:g} s"
            return Failure(FailureKind.TIMEOUT, reason, self.last_text)
        used = self._usage.input_tokens + self._usage.output_tokens
        if used >= max_tokens:
            reason = f"used {used} tokens of {max_tokens}"
            return Failure(FailureKind.TASK_ERROR, reason, self.last_text)
        return None

    def result(self, failure: Failure | None = None) -> AgentResult:
        """How it ended, with what it cost."""
        expansion = None if failure else self._expansion
        return AgentResult(failure, expansion, summary=self.last_text, usage=self._usage)

    def take(self, reply: Reply) -> AgentResult | None:
        """Record a turn and act on it; the result when it was the last."""
        self._usage += reply.usage
        self._context.report_usage(self._usage)
        blocks = [dict(block) for block in reply.content]
        self._transcript.add({"role": "assistant", "content": blocks}, stop_reason=reply.stop_reason)
        text = "\n".join(block["text"] for block in blocks if block.get("type") == "text").strip()
        self.last_text = text or self.last_text
        calls = [block for block in blocks if block.get("type") == "tool_use"]
        match reply.stop_reason:
            case "tool_use" if calls:
                self._messages.append({"role": "assistant", "content": blocks})
                self._say([self._answer(call) for call in calls])
                self._bad_turns = 0
                return self.result() if self._expansion else None
            case "end_turn" | "stop_sequence" if text:
                return self.result(_gave_up(text))
            case "pause_turn" if blocks:
                self._messages.append({"role": "assistant", "content": blocks})
                return None
            case "max_tokens":
                # A tool call that was cut has no usable input, and must not stay in the conversation.
                return self._go_on("cut", [block for block in blocks if block.get("type") != "tool_use"])
            case "end_turn" | "stop_sequence":
                return self._go_on("empty", [])
        return self.result(_unusable(reply.stop_reason, text))

    def _go_on(self, prompt: str, kept: list[Message]) -> AgentResult | None:
        """Ask again after an answer that was cut or empty; give up after the second in a row."""
        self._bad_turns += 1
        if self._bad_turns > MAX_BAD_TURNS:
            reason = f"the model's answer was {prompt} {self._bad_turns} times in a row"
            # Charged, for each was paid for: a task that no answer fits must not be tried without end.
            return self.result(Failure(FailureKind.TASK_ERROR, reason, self.last_text))
        kept = [block for block in kept if block.get("type") != "text" or block["text"].strip()]
        if kept:
            self._messages.append({"role": "assistant", "content": kept})
        self._say([{"type": "text", "text": load_prompt(prompt)}])
        return None

    def _answer(self, call: Mapping[str, Any]) -> Message:
        self._context.check()
        answer = self._do(str(call.get("name")), call.get("input"))
        return {
            "type": "tool_result",
            "tool_use_id": call["id"],
            "content": answer.text,
            "is_error": answer.is_error,
        }

    def _do(self, name: str, arguments: object) -> ToolAnswer:
        if name == EXTEND["name"]:
            return ask_to_extend(arguments, self._context)
        if name != EXPAND["name"]:
            return call_tool(self._sandbox, name, arguments, limit_s=self.left_s(), log=self._context.log)
        asked = ask_to_expand(arguments, self._context)
        if isinstance(asked, ToolAnswer):
            return asked
        self._expansion = asked
        return ToolAnswer(f"Replaced by {len(asked.tasks)} tasks.")

    def _say(self, blocks: list[Message]) -> None:
        """Add to our side; two of our messages in a row become one."""
        self._transcript.add({"role": "user", "content": blocks})
        if self._messages and self._messages[-1]["role"] == "user":
            blocks = [*self._messages.pop()["content"], *blocks]
        self._messages.append({"role": "user", "content": blocks})

    def left_s(self) -> float:
        """Seconds until the task's time is over."""
        return self._deadline_s - self._context.clock.monotonic_s()


def _gave_up(text: str) -> Failure | None:
    if not text.startswith(GAVE_UP):
        return None
    first_line = text.removeprefix(GAVE_UP).strip().splitlines()[:1]
    return Failure(FailureKind.TASK_ERROR, " ".join(["the agent gave up:", *first_line])[:300], text)


def _unusable(stop_reason: str, text: str) -> Failure:
    """The outcome of a turn that ended in a way there is nothing to do with."""
    if stop_reason == "refusal":
        return Failure(FailureKind.PROVIDER, "the model refused the task", text, retryable=False)
    if stop_reason == "model_context_window_exceeded":
        return Failure(FailureKind.TASK_ERROR, "the task did not fit into the model's context", text)
    return Failure(
        FailureKind.PROVIDER, f"the model's turn ended with {stop_reason!r} and nothing usable", text
    )
