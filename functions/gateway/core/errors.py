"""What can go wrong between a caller and a provider."""

from collections.abc import Mapping
from typing import Any

from functions.kit.errors import DcoderError, Forbidden, InvalidRequest, NotFound, RateLimited


class QuotaExceeded(RateLimited):
    """One of the tenant's limits does not allow the call; `Retry-After` says when it may.

    Attributes:
        is_final: waiting within the window is of no use.
    """

    code = "quota_exceeded"

    def __init__(self, message: str, *, details: Mapping[str, Any], retry_after: float, is_final: bool) -> None:
        super().__init__(message, details=details, retry_after=retry_after)
        self.is_final = is_final


class CachedAnswerNotFound(NotFound):
    """There is no such answer in the cache, or it was reported already."""

    code = "cached_answer_not_found"


class ModelNotFound(NotFound):
    """No provider of the tenant offers the model."""

    code = "model_not_found"


class ModelNotAllowed(Forbidden):
    """The API key is limited to other models."""

    code = "model_not_allowed"


class ProviderNotConfigured(InvalidRequest):
    """The tenant has not configured any provider."""

    code = "provider_not_configured"


class ProviderRejected(InvalidRequest):
    """The provider refused the request itself; its message says why."""

    code = "provider_rejected"


class ResponsesNotKept(InvalidRequest):
    """What was answered is not kept, so that it can be neither given again nor deleted."""

    code = "responses_not_kept"


class ProviderRateLimited(RateLimited):
    """The provider's own limit for the tenant's key is reached."""

    code = "provider_rate_limited"


class ProviderAuthenticationFailed(DcoderError):
    """The provider does not accept the key the tenant configured; the caller's own credential is fine."""

    code = "provider_authentication_failed"
    status = 502


class MidAnswer:
    """Of errors that may come in the middle of an answer.

    Attributes:
        begun: what came of an answer that the provider had begun, and therefore bills; None where it had not.
    """

    begun: Any = None


def begun_before(error: DcoderError) -> Any:
    """What came of an answer before the error; None where nothing had."""
    return error.begun if isinstance(error, MidAnswer) else None


class ProviderUnavailable(MidAnswer, DcoderError):
    """The provider cannot be reached, fails, or says it is overloaded."""

    code = "provider_unavailable"
    status = 502


class ProviderBadResponse(MidAnswer, DcoderError):
    """The provider answered something that is not its documented format."""

    code = "provider_bad_response"
    status = 502


class ProviderTimeout(MidAnswer, DcoderError):
    """The provider did not answer in time."""

    code = "provider_timeout"
    status = 504


# What says that a provider fails, not that it was asked the wrong thing.
PROVIDER_FAILURES = (
    ProviderUnavailable,
    ProviderTimeout,
    ProviderBadResponse,
    ProviderRateLimited,
    ProviderAuthenticationFailed,
)
