"""Turns any exception into the error a caller should meet, and an error into its answer."""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

import aiohttp
import asyncpg
import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from functions.kit.context import current
from functions.kit.errors import (
    DcoderError,
    DependencyUnavailable,
    Forbidden,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Unauthenticated,
    Unprocessable,
)

_BY_STATUS: dict[int, type[DcoderError]] = {
    kind.status: kind
    for kind in (InvalidRequest, Unauthenticated, Forbidden, NotFound, MethodNotAllowed, PayloadTooLarge, Unprocessable)
}
_POSTGRES_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalClientError,
)
# What Postgres cannot keep in a text: the character NUL.
_NOT_TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
_MOST_ISSUES = 20


def as_dcoder_error(error: BaseException) -> DcoderError:
    """The error that the caller should meet; what we did not foresee becomes Internal."""
    if isinstance(error, DcoderError):
        return error
    if isinstance(error, RequestValidationError):
        return _validation(error)
    if isinstance(error, HTTPException):
        return _BY_STATUS.get(error.status_code, Internal)(str(error.detail))
    if isinstance(error, ClientDisconnect):
        # Nobody hears it, and yet it is counted: not as a fault of ours.
        return InvalidRequest("the client left before its request was whole")
    if _is_redis_away(error):
        return _away("redis")
    if isinstance(error, _NOT_TEXT):
        return InvalidRequest("a text holds a character that cannot be stored")
    if is_no_argument(error):
        return InvalidRequest("a value is not one that can be stored")
    if isinstance(error, _POSTGRES_AWAY):
        return _away("postgres")
    if isinstance(error, TimeoutError | asyncio.TimeoutError | ConnectionError | aiohttp.ClientError):
        return _away("network")
    return Internal("something went wrong on our side")


def is_no_argument(error: BaseException) -> bool:
    """Whether asyncpg could not write an argument as Postgres has it: too large a number, half a surrogate pair.

    It calls that an error of its interface, as it does a connection that is closed; to try again is in vain.
    """
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)


def envelope(error: DcoderError) -> dict[str, Any]:
    """The error envelope, the same for every API."""
    return {"error": {"code": error.code, "message": error.message, "details": error.details}}


def error_headers(error: DcoderError) -> dict[str, str]:
    """Headers that belong to an error's answer."""
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return headers


def error_response(error: DcoderError) -> Response:
    """The answer that an error becomes, in the words of the function that answers."""
    return Response(
        _encoded((current().error_body or envelope)(error)),
        status_code=error.status,
        headers=error_headers(error),
        media_type="application/json",
    )


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body, default=str)
    except orjson.JSONEncodeError:
        # Half of a character, or a number beyond 64 bits, that the request had: said again as it was written.
        return json.dumps(body, default=str).encode()


def _is_redis_away(error: BaseException) -> bool:
    # Where nobody has imported the client, nothing of it was raised.
    client = sys.modules.get("redis.exceptions")
    return client is not None and isinstance(error, client.ConnectionError | client.TimeoutError)


def _away(dependency: str) -> DependencyUnavailable:
    return DependencyUnavailable(f"{dependency} is not available", details={"dependency": dependency})


def _validation(error: RequestValidationError) -> DcoderError:
    issues = error.errors()
    if any(issue["type"] == "json_invalid" for issue in issues):
        return InvalidRequest("the body is not valid JSON")
    # `input` is left out: it may be a secret.
    named = [
        {"field": ".".join(str(part) for part in issue["loc"]), "problem": issue["msg"]}
        for issue in issues[:_MOST_ISSUES]
    ]
    return Unprocessable("the request does not match the schema", details={"issues": named})
