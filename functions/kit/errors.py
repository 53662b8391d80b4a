"""Errors that carry the code and the status of the answer they become."""

from collections.abc import Mapping
from typing import Any, ClassVar


class DcoderError(Exception):
    """Base of every error a caller can meet.

    Attributes:
        code: stable, machine-readable name, part of the API.
        status: HTTP status of the answer.
        retry_after: seconds after which the caller may try again, sent as `Retry-After`.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(
        self, message: str, *, details: Mapping[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details or {})
        self.retry_after = retry_after


class InvalidRequest(DcoderError):
    """The request cannot be read or contradicts itself."""

    code = "invalid_request"
    status = 400


class UnreadableEvent(InvalidRequest):
    """An event's data is not what its subject promises; to try again is in vain."""

    code = "unreadable_event"


class Unauthenticated(DcoderError):
    """No credential, or one that is malformed, unknown, expired or revoked."""

    code = "unauthenticated"
    status = 401


class Forbidden(DcoderError):
    """The credential is valid and does not allow this."""

    code = "forbidden"
    status = 403


class NotFound(DcoderError):
    """The thing does not exist for this caller."""

    code = "not_found"
    status = 404


class MethodNotAllowed(DcoderError):
    """The path exists and does not take this method."""

    code = "method_not_allowed"
    status = 405


class Conflict(DcoderError):
    """The state of the thing does not allow this."""

    code = "conflict"
    status = 409


class IdempotencyInProgress(Conflict):
    """Another request with the same Idempotency-Key is still running."""

    code = "idempotency_in_progress"


class PayloadTooLarge(DcoderError):
    """The body is larger than the route takes."""

    code = "payload_too_large"
    status = 413


class Unprocessable(DcoderError):
    """The body is well-formed and breaks the schema."""

    code = "validation_failed"
    status = 422


class IdempotencyMismatch(Unprocessable):
    """The Idempotency-Key was used before with other parameters."""

    code = "idempotency_key_reused"


class RateLimited(DcoderError):
    """A limit is reached; `retry_after` says when to come back."""

    code = "rate_limited"
    status = 429


class DependencyUnavailable(DcoderError):
    """Something this request needs is away; the same request may succeed soon."""

    code = "dependency_unavailable"
    status = 503

    def __init__(
        self, message: str, *, details: Mapping[str, Any] | None = None, retry_after: float | None = 1.0
    ) -> None:
        super().__init__(message, details=details, retry_after=retry_after)


class Internal(DcoderError):
    """A bug of ours. The message never carries its cause; the log does, under the request id."""
