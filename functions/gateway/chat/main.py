"""POST /v1/chat/completions, OpenAI-compatible."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import Request, Response

from functions.gateway.bodies import documented, read_body
from functions.gateway.calls import caller_of
from functions.gateway.chat.schemas import ChatCompletionRequest
from functions.gateway.core.completions import Call
from functions.gateway.core.models import CacheControl, Json
from functions.gateway.wiring import Gateway, gateway
from functions.kit.app import create_app
from functions.kit.authorisation import LATER, require
from functions.kit.errors import DcoderError, InvalidRequest
from functions.kit.failures import as_dcoder_error, envelope
from functions.kit.idempotency import HEADER
from functions.kit.principal import Principal
from functions.kit.routing import api_router
from functions.kit.sse import EventStream

router = api_router()


@router.post(
    "/v1/chat/completions",
    response_class=Response,
    openapi_extra=documented(ChatCompletionRequest),
    summary="Create a chat completion",
)
async def create_chat_completion(
    request: Request, principal: Annotated[Principal, require("llm:call", LATER)]
) -> Response:
    """Answer a conversation: from the cache, or by the tenant's provider, whole or as a stream."""
    use: Gateway = request.app.state.wiring
    body = await read_body(request, ChatCompletionRequest)
    control = CacheControl.of(request.headers.get("cache-control", ""))
    caller = await caller_of(request, principal)
    if not body.get("stream"):
        answer = await use.completions.complete(caller, body, control)
        return Response(orjson.dumps(answer.body), media_type="application/json", headers=_headers(answer.call))
    if HEADER in request.headers:
        raise InvalidRequest("Idempotency-Key cannot be used with stream: a stream is not replayed")
    streamed = await use.completions.stream(caller, body, control)
    return EventStream(_frames(streamed.chunks), headers=_headers(streamed.call), on_close=streamed.close)


async def _frames(chunks: AsyncIterator[Json]) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield _frame(chunk)
    except DcoderError as error:
        # The status is long sent: the error is the stream's last word, and [DONE] is withheld.
        yield _frame(envelope(as_dcoder_error(error)))
        return
    yield b"data: [DONE]\n\n"


def _frame(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _headers(call: Call) -> dict[str, str]:
    headers = {
        "x-dcoder-cache": call.state,
        "x-dcoder-overhead-ms": f"{call.overhead_ms():.2f}",
        "x-dcoder-provider": call.target.provider.name,
        "x-dcoder-model": call.target.model,
    }
    if call.most_tokens is not None:
        headers["x-dcoder-max-tokens"] = str(call.most_tokens)
    if call.cache_id:
        headers["x-dcoder-cache-id"] = call.cache_id
    if call.cached is not None:
        headers["x-dcoder-cache-similarity"] = f"{call.cached.similarity:.4f}"
        headers["age"] = str(call.cached.age_seconds)
    return headers


app = create_app(router, wire=gateway)
