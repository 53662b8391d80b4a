"""Errors as OpenAI's clients know them, with the platform's own code and details in them.

Source: platform.openai.com/docs/guides/error-codes; the clients tell `type`, `param` and `code`.
"""

from typing import Any

from functions.kit.errors import DcoderError
from functions.kit.models import ApiModel
from functions.kit.routing import ErrorEnvelope


class OpenAIErrorBody(ApiModel):
    """What went wrong, with the platform's own code."""

    message: str
    type: str
    param: str | None
    code: str
    details: dict[str, Any]


class OpenAIErrorEnvelope(ApiModel):
    """The body of every answer from 400 up, as OpenAI's clients know it."""

    error: OpenAIErrorBody


# Of every route in OpenAI's format. What the edge refuses by itself it refuses in the platform's words.
OpenAIErrors = OpenAIErrorEnvelope | ErrorEnvelope

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_body(error: DcoderError) -> dict[str, Any]:
    """The body of an error's answer, and the event that ends a broken stream."""
    known = _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    told = {"message": error.message, "type": known, "param": param_of(error), "code": error.code}
    return {"error": {**told, "details": error.details}}


def param_of(error: DcoderError) -> str | None:
    """The field of the request that an error is about, where it is about one."""
    field = error.details.get("field")
    if field is None and (issues := error.details.get("issues")):
        field = issues[0]["field"]
    return None if field is None else str(field)
