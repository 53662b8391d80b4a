"""Credentials and error bodies (google.rpc.Status) of the Gemini API (ai.google.dev) and of Vertex AI."""

import orjson
from starlette.requests import Request

from local.simulator.exchange import ErrorAnswer
from local.simulator.fields import Json
from local.simulator.refusals import Problem, Refusal
from local.simulator.wires.openai_errors import bearer, worded

_TYPES = "type.googleapis.com/google.rpc."
_BAD_KEY = "API key not valid. Please pass a valid API key."
_NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)
_BAD_CREDENTIAL = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_NO_CREDENTIAL = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_NO_MODEL = (
    "models/{model} is not found for API version v1beta, or is not supported for this method. Call ListModels to see "
    "the list of available models and their supported methods."
)
_NO_VERTEX_MODEL = (
    "Publisher Model `{model}` was not found or your project does not have access to it. Please ensure you are using "
    "a valid model version. For more information, see: "
    "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions"
)
_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "head to: https://ai.google.dev/gemini-api/docs/rate-limits.\nPlease retry in {retry_after}s."
)
_FAILED = (
    "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)
_OVERLOADED = "The model is overloaded. Please try again later."

_ERRORS = {
    Problem.MISSING_KEY: (403, "PERMISSION_DENIED", _NO_KEY),
    Problem.INVALID_KEY: (400, "INVALID_ARGUMENT", _BAD_KEY),
    Problem.UNKNOWN_MODEL: (404, "NOT_FOUND", _NO_MODEL),
    Problem.WRONG_MODEL_KIND: (404, "NOT_FOUND", _NO_MODEL),
    Problem.UNKNOWN_ROUTE: (404, "NOT_FOUND", "The requested URL {path} was not found on this server."),
    Problem.MALFORMED_JSON: (400, "INVALID_ARGUMENT", "Invalid JSON payload received. {message}"),
    Problem.MISSING_FIELD: (400, "INVALID_ARGUMENT", "* {field}: {field} is not specified\n"),
    Problem.INVALID_FIELD: (400, "INVALID_ARGUMENT", "Invalid value at '{field}': {message}"),
    Problem.UNKNOWN_FIELD: (
        400,
        "INVALID_ARGUMENT",
        'Invalid JSON payload received. Unknown name "{field}": Cannot find field.',
    ),
    Problem.CONTEXT_LENGTH: (
        400,
        "INVALID_ARGUMENT",
        "The input token count ({tokens}) exceeds the maximum number of tokens allowed ({limit}).",
    ),
    Problem.RATE_LIMITED: (429, "RESOURCE_EXHAUSTED", _QUOTA),
    Problem.INTERNAL: (500, "INTERNAL", _FAILED),
    Problem.UNAVAILABLE: (503, "UNAVAILABLE", _OVERLOADED),
}
_BAD_REQUEST = {Problem.MALFORMED_JSON, Problem.INVALID_FIELD, Problem.UNKNOWN_FIELD}


class GoogleDialect:
    """The Gemini API's credentials and errors. An invalid key is a 400 there, not a 401."""

    request_id_header = "x-request-id"
    errors = _ERRORS
    service = "generativelanguage.googleapis.com"

    def key(self, request: Request) -> str:
        """The key in the header, else in the query."""
        return request.headers.get("x-goog-api-key") or request.query_params.get("key", "")

    def check(self, request: Request) -> None:
        """Nothing but the credential is asked for."""

    def error(self, refusal: Refusal, request: Request) -> ErrorAnswer:
        """A `google.rpc.Status`; within an array where the answer would have been one."""
        status, name, text = self.errors[refusal.problem]
        message = worded(refusal, request, text)
        error: Json = {"code": status, "message": message, "status": name}
        if details := self._details(refusal, message):
            error["details"] = details
        body = {"error": error}
        array = request.url.path.endswith(":streamGenerateContent") and request.query_params.get("alt") != "sse"
        limited = refusal.problem is Problem.RATE_LIMITED
        headers = [(b"retry-after", str(refusal.retry_after).encode())] if limited else []
        return ErrorAnswer(status, [body] if array else body, headers)

    def _details(self, refusal: Refusal, message: str) -> list[Json]:
        if refusal.problem is Problem.INVALID_KEY:
            reason = {"reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": {"service": self.service}}
            localised = {"@type": f"{_TYPES}LocalizedMessage", "locale": "en-US", "message": message}
            return [{"@type": f"{_TYPES}ErrorInfo", **reason}, localised]
        if refusal.problem is Problem.RATE_LIMITED:
            metric = {"quotaMetric": f"{self.service}/generate_requests", "quotaValue": "3"}
            delay = {"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{refusal.retry_after}s"}
            return [{"@type": f"{_TYPES}QuotaFailure", "violations": [metric]}, delay]
        if refusal.problem in _BAD_REQUEST:
            violation = {"description": message} | ({"field": refusal.field} if refusal.field else {})
            return [{"@type": f"{_TYPES}BadRequest", "fieldViolations": [violation]}]
        return []

    def stream_error(self) -> bytes:
        """A status in place of a chunk."""
        error = {"code": 503, "message": _OVERLOADED, "status": "UNAVAILABLE"}
        return b"data: " + orjson.dumps({"error": error}) + b"\r\n\r\n"

    def streams(self, request: Request, _body: Json) -> bool:
        """Whether the method streams server-sent events."""
        return request.query_params.get("alt") == "sse"


class VertexDialect(GoogleDialect):
    """Vertex AI's credentials (a bearer token) and errors."""

    errors = _ERRORS | {
        Problem.MISSING_KEY: (401, "UNAUTHENTICATED", _NO_CREDENTIAL),
        Problem.INVALID_KEY: (401, "UNAUTHENTICATED", _BAD_CREDENTIAL),
        Problem.UNKNOWN_MODEL: (404, "NOT_FOUND", _NO_VERTEX_MODEL),
        Problem.WRONG_MODEL_KIND: (400, "FAILED_PRECONDITION", "{model} does not support this method."),
    }
    service = "aiplatform.googleapis.com"

    def key(self, request: Request) -> str:
        """The bearer token."""
        return bearer(request)

    def _details(self, refusal: Refusal, message: str) -> list[Json]:
        if refusal.problem not in {Problem.INVALID_KEY, Problem.MISSING_KEY}:
            return super()._details(refusal, message)
        missing = refusal.problem is Problem.MISSING_KEY
        reason = "CREDENTIALS_MISSING" if missing else "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        facts = {"domain": "googleapis.com", "metadata": {"service": self.service}}
        return [{"@type": f"{_TYPES}ErrorInfo", "reason": reason, **facts}]
