"""What the LLM endpoints that give completions share: whole or streamed, with headers, errors within streams."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import quote

import orjson
from fastapi import Request, Response

from functions.gateway.calls import caller_of
from functions.gateway.core.call import Call, StreamedAnswer
from functions.gateway.core.dialects import Dialect
from functions.gateway.core.errors import ProviderBadResponse
from functions.gateway.core.models import CacheControl, Json
from functions.gateway.wiring import Gateway
from functions.kit.answers import JsonAnswer
from functions.kit.app import wiring_of
from functions.kit.errors import DcoderError, InvalidRequest
from functions.kit.failures import as_dcoder_error
from functions.kit.idempotency import HEADER
from functions.kit.principal import Principal
from functions.kit.sse import EventStream

_COST = "x-dcoder-cost-micro-usd"
# Of a name in a header; proxies have little room for all of them together.
_LONGEST_NAME = 256


@dataclass(frozen=True, slots=True)
class Framing:
    """How a format's stream is put into server-sent events.

    Attributes:
        frame: the frame of an event.
        failure: the event that says what went wrong, behind so many others.
        last: what comes behind the last event of a stream that is whole.
    """

    frame: Callable[[Json], bytes]
    failure: Callable[[DcoderError, int], Json]
    last: bytes = b""


def data_frame(event: Json) -> bytes:
    """An event without a name."""
    return b"data: " + _written(event) + b"\n\n"


def named_frame(event: Json) -> bytes:
    """An event whose name is its type."""
    return b"event: " + str(event.get("type")).encode() + b"\ndata: " + _written(event) + b"\n\n"


async def complete(
    request: Request,
    principal: Principal,
    body: Json,
    framing: Framing,
    dialect: Dialect | None = None,
    *,
    own: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """Answer a request: from the cache, or by the tenant's provider, whole or as a stream.

    Args:
        body: the request.
        dialect: the same request, where it is not in OpenAI's chat format.
        own: headers that the format's clients look for.
    """
    use: Gateway = wiring_of(request)
    control = CacheControl.of(request.headers.get("cache-control", ""))
    caller = await caller_of(request, principal)
    if not body.get("stream"):
        answer = await use.completions.complete(caller, body, control, dialect)
        cost = str(answer.call.booking.cost_micro_usd)
        return json_response(answer.body, {**headers_of(answer.call), **own, _COST: cost})
    if HEADER in request.headers:
        raise InvalidRequest("Idempotency-Key cannot be used with stream: a stream is not replayed")
    streamed = await use.completions.stream(caller, body, control, dialect)
    # Only our own functions need it, and clients there are that cannot read past a comment.
    frames = _frames(streamed, framing, tells_cost=principal.kind == "service")
    return EventStream(frames, headers={**headers_of(streamed.call), **own}, on_close=streamed.close)


def json_response(body: Json, headers: Mapping[str, str]) -> Response:
    """An answer that is not streamed."""
    return JsonAnswer(_written(body), headers)


def _written(value: Json) -> bytes:
    """The value as JSON.

    Raises:
        ProviderBadResponse: it is nested deeper than can be written; that of a request is looked at before.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ProviderBadResponse("the provider's answer is nested too deep") from error


def headers_of(call: Call) -> dict[str, str]:
    """What an answer says of how it came about."""
    headers = {
        "x-dcoder-cache": call.state,
        "x-dcoder-overhead-ms": f"{call.overhead_ms():.2f}",
        "x-dcoder-provider": call.target.provider.name,
        "x-dcoder-model": named(call.target.model),
    }
    if call.most_tokens is not None:
        headers["x-dcoder-max-tokens"] = str(call.most_tokens)
    if call.shortening is not None and call.state == "miss":
        headers["x-dcoder-compression"] = str(call.shortening)
    if call.cache_id:
        headers["x-dcoder-cache-id"] = call.cache_id
    if call.cached is not None:
        headers["x-dcoder-cache-similarity"] = f"{call.cached.similarity:.4f}"
        headers["age"] = str(call.cached.age_seconds)
    return headers


@lru_cache(maxsize=1024)
def named(model: str) -> str:
    """A model's name, which is whatever its caller says, as a header can hold it: quoted where it is no plain text."""
    told = model if model.isascii() and model.isprintable() else quote(model, safe="/:@ ")
    return told[:_LONGEST_NAME]


async def _frames(streamed: StreamedAnswer, framing: Framing, *, tells_cost: bool) -> AsyncIterator[bytes]:
    told = 0
    try:
        async for event in streamed.chunks:
            yield framing.frame(event)
            told += 1
    except DcoderError as error:
        # The status is long sent: the error is the stream's last word, and what ends a whole one is withheld.
        yield framing.frame(framing.failure(as_dcoder_error(error), told))
        return
    if tells_cost:
        # A comment, as it is known too late for a header.
        yield f": {_COST}={streamed.call.booking.cost_micro_usd}\n\n".encode()
    if framing.last:
        yield framing.last
