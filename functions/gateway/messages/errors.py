"""Errors as Anthropic's clients know them, with the platform's own code and details in them.

Source: platform.claude.com/docs/en/api/errors.
"""

from typing import Any, Literal

from pydantic import ConfigDict

from functions.kit.context import current
from functions.kit.errors import DcoderError
from functions.kit.models import ApiModel


class MessagesErrorBody(ApiModel):
    """What went wrong, with the platform's own code."""

    type: str
    message: str
    code: str
    details: dict[str, Any]


class MessagesErrorEnvelope(ApiModel):
    """The body of every answer from 400 up, as Anthropic's clients know it."""

    model_config = ConfigDict(alias_generator=None)

    type: Literal["error"]
    error: MessagesErrorBody
    request_id: str


_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_body(error: DcoderError) -> dict[str, Any]:
    """The body of an error's answer."""
    known = _TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    told = {"type": known, "message": error.message, "code": error.code, "details": error.details}
    return {"type": "error", "error": told, "request_id": current().request_id}
