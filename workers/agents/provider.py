"""A model that gave no answer, as a failure that is charged to no task."""

from swarm.engine.claims import Failure
from swarm.errors import (
    AuthenticationError,
    LimitReachedError,
    ModelRequestError,
    ModelUnreachableError,
    SwarmError,
)
from swarm.states import FailureKind

NO_ANSWER = (AuthenticationError, ModelRequestError, ModelUnreachableError, LimitReachedError)
"""What a model client raises in place of an answer."""


def provider_failure(error: SwarmError) -> Failure:
    """Not charged; a refused key, a wrong request or spent credit is not worth a second try."""
    reason = f"{error.message} ({error.hint})" if error.hint else error.message
    is_final = isinstance(error, AuthenticationError | ModelRequestError | LimitReachedError)
    kind = FailureKind.LIMIT if isinstance(error, LimitReachedError) else FailureKind.PROVIDER
    return Failure(kind, reason, retryable=not is_final)
