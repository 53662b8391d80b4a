"""Why a call is refused, before a provider's wire puts it in its own words."""

from enum import StrEnum


class Problem(StrEnum):
    """The errors that every provider documents in its own shape."""

    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    UNKNOWN_MODEL = "unknown_model"
    WRONG_MODEL_KIND = "wrong_model_kind"
    UNKNOWN_ROUTE = "unknown_route"
    MALFORMED_JSON = "malformed_json"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    UNKNOWN_FIELD = "unknown_field"
    CONTEXT_LENGTH = "context_length"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


class Refusal(Exception):
    """Ends a call with the provider's documented error.

    Attributes:
        field: the offending field, as the provider writes it.
        model: the model that was asked for.
        limit: tokens that the model takes.
        tokens: tokens that were sent.
        retry_after: seconds to wait.
    """

    def __init__(
        self,
        problem: Problem,
        message: str = "",
        *,
        field: str = "",
        model: str = "",
        limit: int = 0,
        tokens: int = 0,
        retry_after: int = 1,
    ) -> None:
        super().__init__(message or problem.value)
        self.problem = problem
        self.message = message
        self.field = field
        self.model = model
        self.limit = limit
        self.tokens = tokens
        self.retry_after = retry_after


def missing(field: str) -> Refusal:
    """A required field is absent."""
    return Refusal(Problem.MISSING_FIELD, field=field)


def invalid(field: str, message: str) -> Refusal:
    """A field has a value of the wrong type or range."""
    return Refusal(Problem.INVALID_FIELD, message, field=field)
