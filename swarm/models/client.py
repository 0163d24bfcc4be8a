"""The one way to a model: a Messages API call, its cost, and its failures in swarm's own words.

The only importer of `anthropic`. The SDK retries 429, 5xx and lost connections itself (twice, and
as long as `retry-after` says); nothing here or above retries them again.
"""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from swarm.errors import (
    AuthenticationError,
    ConfigError,
    LimitReachedError,
    ModelRequestError,
    ModelUnreachableError,
    SwarmError,
)
from swarm.models.reply import Json, Reply, reply_of
from swarm.settings import Settings, has_other_model_credential

if TYPE_CHECKING:
    import anthropic
    from anthropic import APIRequest, APIResponse, CallNext

DEFAULT_TIMEOUT_S = 600.0
HOW_TO_SIGN_IN = (
    "set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN); for another endpoint that speaks the Messages API"
    " set ANTHROPIC_BASE_URL too; without a key, `swarm demo` and plans of commands still work"
)

_LIMIT_CODES = frozenset(
    {
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
    }
)
_REPEATABLE = frozenset({408, 409, 429})


class ModelClient:
    """Calls models with the credential and the endpoint of the settings. One may serve many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def create(
        self,
        *,
        model: str,
        system: Sequence[Mapping[str, Any]] | str,
        messages: Sequence[Mapping[str, Any]],
        max_tokens: int,
        tools: Sequence[Mapping[str, Any]] = (),
        output_schema: Mapping[str, Any] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Reply:
        """Ask once and return the whole answer; `cache_control` stands in the blocks as the API wants it.

        Refusals and answers cut at `max_tokens` are replies, told by `stop_reason`.

        Raises:
            AuthenticationError: no credential, or it was refused.
            LimitReachedError: a quota or spend limit that will not pass by waiting.
            ModelUnreachableError: overloaded, failing, silent, or its answer broke off; try later.
            ModelRequestError: the request itself is wrong.
        """
        request: Json = {
            "model": model,
            "system": system if isinstance(system, str) else list(system),
            "messages": list(messages),
            "max_tokens": max_tokens,
            "timeout": timeout_s,
        }
        if tools:
            request["tools"] = list(tools)
        if output_schema is not None:
            request["output_config"] = {"format": {"type": "json_schema", "schema": dict(output_schema)}}
        client = self._client
        from anthropic.types import Message  # noqa: PLC0415

        try:
            message: object = client.messages.create(**request)
        except Exception as error:
            translated = _translated(error, model, str(client.base_url))
            if translated is None:
                raise
            raise translated from error
        return reply_of(message.to_dict(warnings=False) if isinstance(message, Message) else message, model)

    def require_credential(self) -> None:
        """Say at once that there is none, without the second that the SDK takes to import.

        Raises:
            AuthenticationError: neither the settings nor the SDK's own places hold one.
        """
        if not self._settings.has_model_credential and not has_other_model_credential():
            raise AuthenticationError("no key for the model API is set", hint=HOW_TO_SIGN_IN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if "_client" in self.__dict__:
            self._client.close()

    @cached_property
    def _client(self) -> "anthropic.Anthropic":
        self.require_credential()
        # 0.5 to 2.5 seconds, which only a process that calls a model pays.
        import anthropic  # noqa: PLC0415
        import httpx2  # noqa: PLC0415

        key, token = self._settings.anthropic_api_key.strip(), self._settings.anthropic_auth_token.strip()
        if not (key + token).isascii() or any(character.isspace() for character in key + token):
            raise AuthenticationError(
                "the Anthropic key or token holds characters that no key has", hint=HOW_TO_SIGN_IN
            )
        base_url = self._settings.anthropic_base_url or None
        try:
            client = anthropic.Anthropic(
                api_key=key or None,
                auth_token=None if key else token or None,
                base_url=base_url,
                middleware=[_stop_at_a_limit],
                # A proxy of the environment cannot reach this machine's own loopback.
                http_client=anthropic.DefaultHttpxClient(trust_env=False) if _is_loopback(base_url) else None,
            )
        except anthropic.CredentialsError as error:
            raise AuthenticationError(f"no usable credential: {error}", hint=HOW_TO_SIGN_IN) from error
        except httpx2.InvalidURL as error:
            raise _no_url(base_url or "") from error
        if client.api_key is None and client.auth_token is None and client.credentials is None:
            raise AuthenticationError("no key for the model API is set", hint=HOW_TO_SIGN_IN)
        return client


def _no_url(base_url: str) -> ConfigError:
    return ConfigError(
        f"ANTHROPIC_BASE_URL is not a URL: {base_url!r}", hint="such as http://localhost:11434"
    )


def _is_loopback(url: str | None) -> bool:
    try:
        host = urlsplit(url or "").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _stop_at_a_limit(request: "APIRequest", call_next: "CallNext") -> "APIResponse[Any]":
    """Raise at the first answer that says the money is gone, before the SDK tries again."""
    response = call_next(request)
    if response.status_code >= 400:  # noqa: PLR2004  # HTTP
        body = _json(response.http_response.read())
        limit = _limit(response.status_code, body)
        if limit is not None:
            raise limit
    return response


def _json(raw: bytes) -> Json:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _limit(status: int, body: Json) -> LimitReachedError | None:
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    said = str(error.get("message", "no reason given"))
    is_money = status == 402 or error.get("type") == "billing_error" or "credit balance" in said.lower()  # noqa: PLR2004
    if code not in _LIMIT_CODES and not is_money:
        return None
    return LimitReachedError(
        f"the model API refuses further calls: {said}",
        hint="raise the limit or add credit at the provider, then `swarm retry`, `swarm run --resume latest`",
    )


def _translated(error: Exception, model: str, base_url: str) -> SwarmError | None:  # noqa: PLR0911  # a table
    """The failure in our words; None for what is neither the API's nor the network's."""
    import anthropic  # noqa: PLC0415
    import httpx2  # noqa: PLC0415

    if isinstance(error, anthropic.APIStatusError):
        return _status_error(error, model)
    if isinstance(error, anthropic.APITimeoutError):
        return ModelUnreachableError(f"{base_url}: no answer from {model!r} in time")
    if isinstance(error, anthropic.CredentialsError):
        return AuthenticationError(f"no usable credential: {error}", hint=HOW_TO_SIGN_IN)
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
    if isinstance(cause, _broken_answers()):
        return ModelUnreachableError(f"{base_url}: the answer of {model!r} broke off or is not JSON: {cause}")
    if isinstance(error, anthropic.APIConnectionError):
        return ModelUnreachableError(
            f"{base_url}: cannot be reached: {cause or error}",
            hint="check the network and ANTHROPIC_BASE_URL",
        )
    if isinstance(error, httpx2.InvalidURL):
        return _no_url(base_url)
    return None


def _broken_answers() -> tuple[type[Exception], ...]:
    """What a connection cut inside the body or half a body raises; the SDK lets some through as they are."""
    import anthropic  # noqa: PLC0415
    import httpx2  # noqa: PLC0415

    return (
        httpx2.RemoteProtocolError,
        httpx2.ReadError,
        httpx2.DecodingError,
        json.JSONDecodeError,
        UnicodeDecodeError,
        anthropic.APIResponseValidationError,
    )


def _status_error(error: "anthropic.APIStatusError", model: str) -> SwarmError:
    status = error.status_code
    said = f"the model API answered {status}: {error.api_message or error.message}"
    if status in {401, 403}:
        return AuthenticationError(said, hint=HOW_TO_SIGN_IN)
    if status in _REPEATABLE or status >= 500:  # noqa: PLR2004  # HTTP
        return ModelUnreachableError(
            said,
            hint="its own fault or too many calls; try again later",
            retry_after_s=_seconds(error.response.headers.get("retry-after")),
        )
    if status == 404:  # noqa: PLR2004  # HTTP
        return ModelRequestError(
            f"{said} (model {model!r})", hint="`swarm config show` lists the models; set SWARM_MODEL_…"
        )
    return ModelRequestError(f"{said} (model {model!r})")


def _seconds(header: str | None) -> float:
    try:
        return max(float(header or 0), 0.0)
    except ValueError:
        return 0.0
