"""Credentials and error bodies of the OpenAI API (platform.openai.com/docs/guides/error-codes)."""

from dataclasses import dataclass

import orjson
from starlette.requests import Request

from local.simulator.exchange import ErrorAnswer
from local.simulator.fields import Json
from local.simulator.refusals import Problem, Refusal

_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the "
    "API from your browser and are prompted for a username and password. You can obtain an API key from "
    "https://platform.openai.com/account/api-keys."
)
_BAD_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble "
    "figuring out how to fix this, please contact us through our help center at help.openai.com.)"
)
_OVERLOADED = (
    "The server is currently overloaded with other requests. Sorry about that! You can retry your request, or contact "
    "us through our help center at help.openai.com if the error persists."
)
_FAILED = (
    "The server had an error while processing your request. Sorry about that! You can retry your request, or contact "
    "us through our help center at help.openai.com if you keep seeing this error."
)


@dataclass(frozen=True, slots=True)
class Wording:
    """Status and fields of one error; `{…}` are the refusal's attributes."""

    status: int
    message: str
    code: str | None = None
    type: str = "invalid_request_error"
    param: str | None = None


_WORDINGS = {
    Problem.MISSING_KEY: Wording(401, _NO_KEY),
    Problem.INVALID_KEY: Wording(
        401,
        "Incorrect API key provided: {masked}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    ),
    Problem.UNKNOWN_MODEL: Wording(
        404, "The model `{model}` does not exist or you do not have access to it.", code="model_not_found"
    ),
    Problem.WRONG_MODEL_KIND: Wording(
        404, "The model `{model}` is not supported in the {path} endpoint.", param="model"
    ),
    Problem.UNKNOWN_ROUTE: Wording(404, "Invalid URL ({method} {path})"),
    Problem.MALFORMED_JSON: Wording(400, _BAD_JSON),
    Problem.MISSING_FIELD: Wording(
        400, "Missing required parameter: '{field}'.", code="missing_required_parameter", param="{field}"
    ),
    Problem.INVALID_FIELD: Wording(400, "Invalid '{field}': {message}.", code="invalid_value", param="{field}"),
    Problem.UNKNOWN_FIELD: Wording(400, "Unrecognized request argument supplied: {field}"),
    Problem.CONTEXT_LENGTH: Wording(
        400,
        "This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} tokens. "
        "Please reduce the length of the messages.",
        code="context_length_exceeded",
        param="messages",
    ),
    Problem.RATE_LIMITED: Wording(
        429,
        "Rate limit reached for {model} in organization org-simulator on requests per min (RPM): Limit 3, Used 3, "
        "Requested 1. Please try again in {retry_after}s. Visit https://platform.openai.com/account/rate-limits to "
        "learn more.",
        code="rate_limit_exceeded",
        type="requests",
    ),
    Problem.INTERNAL: Wording(500, _FAILED, type="server_error"),
    Problem.UNAVAILABLE: Wording(503, _OVERLOADED, type="server_error"),
}


def masked(key: str) -> str:
    """A key as OpenAI's error shows it: its first eight and last four characters."""
    return key if len(key) <= 12 else f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}"


def bearer(request: Request) -> str:
    """The bearer token, empty when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def worded(refusal: Refusal, request: Request, text: str) -> str:
    """`text` with the facts of the refusal in it."""
    return text.format(
        field=refusal.field,
        message=refusal.message,
        model=refusal.model,
        limit=refusal.limit,
        tokens=refusal.tokens,
        retry_after=refusal.retry_after,
        masked=masked(refusal.field),
        method=request.method,
        path=request.url.path,
    )


def retry_headers(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """The headers of a 429."""
    if refusal.problem is not Problem.RATE_LIMITED:
        return []
    seconds = str(refusal.retry_after).encode()
    return [
        (b"retry-after", seconds),
        (b"retry-after-ms", str(refusal.retry_after * 1000).encode()),
        (b"x-ratelimit-limit-requests", b"3"),
        (b"x-ratelimit-remaining-requests", b"0"),
        (b"x-ratelimit-reset-requests", seconds + b"s"),
    ]


class OpenAiDialect:
    """OpenAI's credentials and errors."""

    request_id_header = "x-request-id"

    def key(self, request: Request) -> str:
        """The bearer token."""
        return bearer(request)

    def check(self, request: Request) -> None:
        """Nothing but the credential is asked for."""

    def error(self, refusal: Refusal, request: Request) -> ErrorAnswer:
        """The documented error body."""
        wording = _WORDINGS[refusal.problem]
        body = {
            "message": worded(refusal, request, wording.message),
            "type": wording.type,
            "param": worded(refusal, request, wording.param) if wording.param else None,
            "code": wording.code,
        }
        return ErrorAnswer(wording.status, {"error": body}, retry_headers(refusal))

    def stream_error(self) -> bytes:
        """An error event, after which the stream ends without `[DONE]`."""
        error = {"message": _FAILED, "type": "server_error", "param": None, "code": None}
        return b"data: " + orjson.dumps({"error": error}) + b"\n\n"

    def streams(self, request: Request, body: Json) -> bool:
        """Whether the body asks for a stream."""
        return request.url.path.endswith(("completions", "responses")) and body.get("stream") is True
