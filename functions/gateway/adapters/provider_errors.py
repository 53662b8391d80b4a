"""Says in the gateway's own terms what went wrong at a provider."""

import email.utils
import logging
import time
from collections.abc import Mapping
from typing import Any

import orjson

from functions.gateway.adapters.http_answer import BrokenOff
from functions.gateway.core.errors import (
    ModelNotFound,
    ProviderAuthenticationFailed,
    ProviderBadResponse,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from functions.gateway.core.models import Json, Target
from functions.kit.errors import DcoderError
from functions.kit.redaction import redact

_logger = logging.getLogger(__name__)
# What an HTTP client raises.
FAILURES = (OSError, BrokenOff, ValueError)
_LONGEST_MESSAGE = 500
_LONGEST_CODE = 200
# The status that an error has where its type is told in a stream instead (docs.anthropic.com/en/api/errors,
# platform.openai.com/docs/guides/error-codes).
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "tokens": 429,
    "requests": 429,
    "timeout_error": 504,
}


def reported(target: Target, error: Exception) -> DcoderError:
    """The gateway's error for one of the HTTP client's `FAILURES`, which is its cause."""
    told = _named(target, error)
    told.__cause__ = error
    return told


def _named(target: Target, error: Exception) -> DcoderError:
    details = details_of(target)
    if isinstance(error, TimeoutError):
        return ProviderTimeout("the provider did not answer in time", details=details)
    if isinstance(error, BrokenOff):
        return ProviderBadResponse("the provider's answer broke off", details=details)
    if isinstance(error, OSError):
        _logger.warning("provider unreachable", extra={"provider": target.provider.name}, exc_info=error)
        return ProviderUnavailable("the provider cannot be reached", details=details, retry_after=1)
    return ProviderRejected("a header of the request cannot be sent", details=details)


def refusal(target: Target, status: int, headers: Mapping[str, str], body: bytes) -> DcoderError:
    """The gateway's error for what a provider answered instead of 200."""
    error = _error_in(body)
    if status == 400 and "API_KEY_INVALID" in _reasons(error):
        # Google alone answers 400 to a wrong key.
        status = 401
    return _by_status(target, status, message_of(body), asked_wait(headers, body), _stated(error))


def broken_off(target: Target, error: object) -> DcoderError:
    """The gateway's error for an error object in the middle of a stream that began well."""
    known = error if isinstance(error, Mapping) else {}
    stated = (known.get("status_code"), known.get("code"))
    status = next((value for value in stated if isinstance(value, int) and not isinstance(value, bool)), None)
    by_type = (_STATUS_OF_TYPE.get(str(known.get(name))) for name in ("type", "code"))
    message = message_of(orjson.dumps({"error": error}))
    status = status or next((value for value in by_type if value), None)
    if status is None or (status >= 500 and status != 504):
        details = {**details_of(target), "providerMessage": message}
        return ProviderUnavailable("the provider broke off its stream", details=details, retry_after=1)
    return _by_status(target, status, message, None, _stated(error))


def details_of(target: Target) -> Json:
    """What every provider error says about where it came from."""
    return {"provider": target.provider.name, "model": target.model}


def message_of(body: bytes) -> str:
    """The human part of a provider's error body, redacted: some repeat a piece of the key."""
    error = _error_in(body)
    text = error.get("message") if isinstance(error, Mapping) else error
    return redact(str(text))[:_LONGEST_MESSAGE] if text else ""


def asked_wait(headers: Mapping[str, str], body: bytes) -> float | None:
    """The seconds a provider asks to wait before the next try; None when it does not say.

    Sources: RFC 9110 §10.2.3 (seconds or a date), the `retry-after-ms` of OpenAI's and Anthropic's clients,
    google.rpc.RetryInfo.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    header = headers.get("retry-after")
    if header is None:
        return _retry_info(_error_in(body))
    seconds = _number(header)
    if seconds is not None:
        return seconds
    return _until(header)


def _until(date: str) -> float | None:
    """The seconds until a date; None where it is none, or one that there will never be."""
    try:
        parsed = email.utils.parsedate_tz(date)
        return max(0.0, email.utils.mktime_tz(parsed) - time.time()) if parsed else None
    except (ValueError, OverflowError):
        return None


def _by_status(target: Target, status: int, message: str, wait: float | None, stated: Json) -> DcoderError:
    details = {**details_of(target), "providerStatus": status, "providerMessage": message, **stated}
    retry_after = max(1.0, wait or 1.0)
    if status == 429:
        return ProviderRateLimited("the provider's rate limit is reached", details=details, retry_after=retry_after)
    if status in {401, 403}:
        return ProviderAuthenticationFailed("the provider does not accept the configured key", details=details)
    if status == 404:
        known = f"the provider does not know model {target.model!r} here"
        return ModelNotFound(f"{known}: {message}" if message else known, details=details)
    if status in {408, 504}:
        return ProviderTimeout("the provider did not answer in time", details=details)
    if 400 <= status < 500:
        return ProviderRejected(message or "the provider refused the request", details=details)
    return ProviderUnavailable("the provider failed", details=details, retry_after=retry_after)


def _error_in(body: bytes) -> Any:
    """The `error` of an error body; Google puts the body into an array where the answer would have been one."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    return answer.get("error") if isinstance(answer, dict) else None


def _stated(error: object) -> Json:
    """What a provider's error says beside its words: its code, and the field of the request that it is about.

    Programs go by the code, such as OpenAI's `context_length_exceeded`; Google's is its status, Anthropic's its type.
    """
    known = error if isinstance(error, Mapping) else {}
    codes = (known.get(name) for name in ("code", "status", "type"))
    code = next((value for value in codes if isinstance(value, str) and value), None)
    field = known.get("param")
    return {
        **({"providerCode": redact(code)[:_LONGEST_CODE]} if code else {}),
        **({"field": redact(field)[:_LONGEST_CODE]} if isinstance(field, str) and field else {}),
    }


def _facts(error: Any) -> list[Mapping[str, Any]]:
    """The google.rpc details of an error."""
    details = error.get("details") if isinstance(error, Mapping) else None
    return [fact for fact in details if isinstance(fact, Mapping)] if isinstance(details, list) else []


def _reasons(error: Any) -> set[str]:
    return {str(fact.get("reason")) for fact in _facts(error)}


def _retry_info(error: Any) -> float | None:
    delays = (str(fact["retryDelay"]) for fact in _facts(error) if "retryDelay" in fact)
    return next((_number(delay.removesuffix("s")) for delay in delays), None)


def _number(text: str | None) -> float | None:
    """A count of seconds, or None; not a number and infinity are none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
