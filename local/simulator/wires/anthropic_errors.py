"""Credentials and error bodies of the Anthropic API (docs.anthropic.com/en/api/errors)."""

import secrets

import orjson
from starlette.requests import Request

from local.simulator.exchange import ErrorAnswer
from local.simulator.fields import Json
from local.simulator.refusals import Problem, Refusal, invalid
from local.simulator.wires.openai_errors import bearer, worded

NEWEST = "2026-10-21"
VERSIONS = ("2023-01-01", "2023-06-01", NEWEST)

_INVALID = "invalid_request_error"
_ERRORS = {
    Problem.MISSING_KEY: (401, "authentication_error", "x-api-key header is required"),
    Problem.INVALID_KEY: (401, "authentication_error", "invalid x-api-key"),
    Problem.UNKNOWN_MODEL: (404, "not_found_error", "model: {model}"),
    Problem.WRONG_MODEL_KIND: (404, "not_found_error", "model: {model}"),
    Problem.UNKNOWN_ROUTE: (404, "not_found_error", "Not Found"),
    Problem.MALFORMED_JSON: (400, _INVALID, "The request body is not valid JSON: {message}"),
    Problem.MISSING_FIELD: (400, _INVALID, "{field}: Field required"),
    Problem.INVALID_FIELD: (400, _INVALID, "{field}: {message}"),
    Problem.UNKNOWN_FIELD: (400, _INVALID, "{field}: Extra inputs are not permitted"),
    Problem.CONTEXT_LENGTH: (400, _INVALID, "prompt is too long: {tokens} tokens > {limit} maximum"),
    Problem.RATE_LIMITED: (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 3 requests per minute. For details, refer to: "
        "https://docs.claude.com/en/api/rate-limits.",
    ),
    Problem.INTERNAL: (500, "api_error", "Internal server error"),
    Problem.UNAVAILABLE: (529, "overloaded_error", "Overloaded"),
}


class AnthropicDialect:
    """Anthropic's credentials and errors."""

    request_id_header = "request-id"

    def key(self, request: Request) -> str:
        """The `x-api-key` header, else the bearer token that the SDKs send since October 2026."""
        return request.headers.get("x-api-key") or bearer(request)

    def check(self, request: Request) -> None:
        """The version header must name a version."""
        version = request.headers.get("anthropic-version")
        if not version:
            raise invalid("anthropic-version", "header is required")
        if version not in VERSIONS:
            raise invalid("anthropic-version", f'"{version}" is not a valid version')

    def error(self, refusal: Refusal, request: Request) -> ErrorAnswer:
        """The documented error body."""
        status, kind, message = _ERRORS[refusal.problem]
        body = _error(kind, worded(refusal, request, message)) | {"request_id": f"req_{secrets.token_hex(12)}"}
        if refusal.problem is not Problem.RATE_LIMITED:
            return ErrorAnswer(status, body)
        seconds = str(refusal.retry_after).encode()
        return ErrorAnswer(
            status,
            body,
            [
                (b"retry-after", seconds),
                (b"anthropic-ratelimit-requests-limit", b"3"),
                (b"anthropic-ratelimit-requests-remaining", b"0"),
            ],
        )

    def stream_error(self) -> bytes:
        """An `error` event, after which the stream ends."""
        return b"event: error\ndata: " + orjson.dumps(_error("overloaded_error", "Overloaded")) + b"\n\n"

    def streams(self, _request: Request, body: Json) -> bool:
        """Whether the body asks for a stream."""
        return body.get("stream") is True


def _error(kind: str, message: str) -> Json:
    return {"type": "error", "error": {"type": kind, "message": message}}
