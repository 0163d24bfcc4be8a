"""A model that had no part in the work: it reviews a change, or picks one of several.

Each question is a conversation of its own that holds the task and diffs, and nothing that an author said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar  # content blocks are JSON from outside

from pydantic import ValidationError

from swarm.engine.claims import Failure
from swarm.models.client import ModelClient
from swarm.models.structured import json_in
from swarm.models.tiers import model_for
from swarm.models.usage import Usage
from swarm.observe.wording import one_line
from swarm.plan.model import TaskSpec
from swarm.repo.git.unseen import Unseen
from swarm.settings import Settings
from swarm.states import FailureKind
from workers.agents.briefing import brief
from workers.agents.provider import NO_ANSWER, provider_failure
from workers.agents.transcript import Transcript
from workers.prompts import fill_prompt, load_prompt, quote
from workers.verdicts import Answer, Choice, Review

MAX_ANSWER_TOKENS = 8_000
ANSWER_LIMIT_S = 600.0
MAX_REPEATS = 1
"""How often an answer that cannot be used is asked for again."""
MAX_DIFF_CHARS = 200_000
"""Of all diffs in one question together: about 60,000 tokens."""
UNCHANGED = "(it changes nothing)"
_NAMED_FILES = 20
_FILE = "diff --git "

Message = dict[str, Any]
Told = TypeVar("Told", bound=Answer)


class Asks(Protocol):
    """What a reviewer needs of a model client."""

    def create(
        self,
        *,
        model: str,
        system: list[Message],
        messages: list[Message],
        max_tokens: int,
        output_schema: Message | None,
        timeout_s: float,
    ) -> "Reply":
        """Ask once; see `ModelClient.create`."""
        ...


class Reply(Protocol):
    """One answer of a model."""

    @property
    def content(self) -> Sequence[Message]:
        """Content blocks, as the Messages API has them."""
        ...

    @property
    def text(self) -> str:
        """The text blocks, joined."""
        ...

    @property
    def stop_reason(self) -> str:
        """Why the turn ended."""
        ...

    @property
    def usage(self) -> Usage:
        """What this turn cost."""
        ...


@dataclass(frozen=True)
class Hearing:
    """Whom a reviewer reports to, and who may end it."""

    transcript: Transcript
    spend: Callable[[Usage], None]  # of one turn
    check: Callable[[], None]  # raises when the claim is lost


class Reviewer:
    """Asks the model of the task's tier."""

    def __init__(self, client: Asks, *, model_of: Callable[[str], str]) -> None:
        self._client = client
        self._model_of = model_of  # tier -> model

    def review(self, task: TaskSpec, patch: str, hearing: Hearing) -> Review | Failure:
        """Review one change; a failure is nobody's fault, and no verdict."""
        text = "\n\n".join([brief(task, ""), quote("diff", cut_patch(patch, MAX_DIFF_CHARS))])
        return self._ask(task, "reviewer", text, Review, hearing)

    def choose(self, task: TaskSpec, patches: Sequence[str], hearing: Hearing) -> Choice | Failure:
        """Pick one of several changes, numbered from 1; a failure is nobody's fault."""
        most = MAX_DIFF_CHARS // len(patches)
        shown = [
            quote(f"candidate-{number}", cut_patch(patch, most)) for number, patch in enumerate(patches, 1)
        ]

        def fault(told: Choice) -> str:
            if 1 <= told.choice <= len(patches):
                return ""
            return f"`choice` is {told.choice}, and the candidates are 1 to {len(patches)}"

        return self._ask(task, "judge", "\n\n".join([brief(task, ""), *shown]), Choice, hearing, fault=fault)

    def _ask(
        self,
        task: TaskSpec,
        who: str,
        text: str,
        form: type[Told],
        hearing: Hearing,
        *,
        fault: Callable[[Told], str] = lambda _: "",
    ) -> Told | Failure:
        """Ask as `who`, in the form of an answer, and once more when it is not of that form."""
        problem, messages = "", [_ours(text)]
        hearing.transcript.keep(messages[0], who=who)
        for _ in range(1 + MAX_REPEATS):
            hearing.check()
            try:
                reply = self._client.create(
                    model=self._model_of(task.tier),
                    system=[{"type": "text", "text": load_prompt(who), "cache_control": _CACHED}],
                    messages=messages,
                    max_tokens=MAX_ANSWER_TOKENS,
                    output_schema=form.schema_asked,
                    timeout_s=ANSWER_LIMIT_S,
                )
            except NO_ANSWER as error:
                failure = provider_failure(error)
                return replace(failure, reason=f"the {who} got no answer: {failure.reason}")
            hearing.spend(reply.usage)
            said = {"role": "assistant", "content": [dict(block) for block in reply.content]}
            hearing.transcript.keep(said, who=who, stop_reason=reply.stop_reason)
            if reply.stop_reason == "refusal":
                return Failure(FailureKind.PROVIDER, f"the model refused to be the {who}", retryable=False)
            told, problem = _read(reply, form)
            if told is not None and not (problem := fault(told)):
                return told
            answered = {"role": "assistant", "content": reply.text or "(no text)"}
            messages = [*messages, answered, _ours(fill_prompt("unusable", problem=problem))]
        # Never taken for a verdict: neither for an approval nor for a fault of the task.
        return Failure(FailureKind.PROVIDER, f"the {who}'s answer cannot be used: {problem}")


def open_reviewer(settings: Settings) -> Reviewer:
    """The reviewer of a worker with these settings.

    Raises:
        AuthenticationError: there is no credential to ask a model with, nor another endpoint.
    """
    client = ModelClient(settings)
    if not settings.anthropic_base_url:
        client.require_credential()
    return Reviewer(client, model_of=lambda tier: model_for(tier, settings))


def with_unseen(patch: str, unseen: Sequence[Unseen]) -> str:
    """A patch under the names and sizes of what it does not show: at the top, where nothing is cut off."""
    if not unseen:
        return patch
    named = [
        f"{one_line(one.path)!r} ({one.before} bytes before, {one.after} now)"
        for one in unseen[:_NAMED_FILES]
    ]
    more = [f"{len(unseen) - _NAMED_FILES} more"] if unseen[_NAMED_FILES:] else []
    return f"[changed, and not shown because binary: {', '.join([*named, *more])}]\n{patch}"


def cut_patch(patch: str, most: int) -> str:
    """At most about `most` characters of a patch: its beginning, and what is not shown in clear words."""
    if not patch.strip():
        return UNCHANGED
    if len(patch) <= most:
        return patch
    shown = patch[: patch.rfind("\n", 0, most) + 1] or patch[:most]
    files = [line.removeprefix(_FILE) for line in patch[len(shown) :].splitlines() if line.startswith(_FILE)]
    named = [*files[:_NAMED_FILES], *([f"{len(files) - _NAMED_FILES} more"] if files[_NAMED_FILES:] else [])]
    rest = f"; not shown at all: {', '.join(named)}" if named else ""
    words = f"[the diff was cut here: {len(shown)} of {len(patch)} characters are shown{rest}]"
    return f"{shown.rstrip()}\n{words}"


_CACHED: dict[str, str] = {"type": "ephemeral"}


def _ours(text: str) -> Message:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _read(reply: Reply, form: type[Told]) -> tuple[Told | None, str]:
    """The answer in its form, or what is wrong with it."""
    if reply.stop_reason != "end_turn":
        return None, f"the turn ended with {reply.stop_reason!r}"
    try:
        return form.model_validate_json(json_in(reply.text)), ""
    except ValidationError as error:
        first, count = error.errors(include_url=False)[0], error.error_count()
        where = ".".join(map(str, first["loc"]))
        more = f", and {count - 1} more" if count > 1 else ""
        return None, f"{where + ': ' if where else ''}{first['msg']}{more}"
