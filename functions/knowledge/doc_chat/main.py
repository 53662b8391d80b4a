"""The model doc-chat: grounded answers for any OpenAI client, its base URL being `/knowledge/v1` of the edge."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import orjson
from fastapi import Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.errors import DcoderError, InvalidRequest
from functions.kit.failures import as_dcoder_error, envelope
from functions.kit.idempotency import HEADER
from functions.kit.identifiers import new_id
from functions.kit.openai_models import OpenAIModel, OpenAIModels
from functions.kit.principal import Principal
from functions.kit.routing import api_router
from functions.kit.sse import EventStream
from functions.knowledge.callers import caller_of
from functions.knowledge.core import doc_chat
from functions.knowledge.doc_chat.schemas import DocChatRequest
from functions.knowledge.wiring_search import Retrieval, retrieval

router = api_router()


@router.post(
    "/knowledge/v1/chat/completions",
    response_class=Response,
    dependencies=[require("knowledge:read")],
    summary="Chat with the tenant's documents",
)
async def create_completion(request: Request, body: DocChatRequest) -> Response:
    """OpenAI's chat completion from the passages that the caller may read, whole or as a stream."""
    use: Retrieval = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    asked, answer_id = body.asked(), f"chatcmpl-{new_id()}"
    if not body.stream:
        answer = await use.answers(caller.space, caller.reader, caller.behalf, asked)
        return Response(orjson.dumps(doc_chat.completion(answer, answer_id, body.model)), media_type="application/json")
    if HEADER in request.headers:
        raise InvalidRequest("Idempotency-Key cannot be used with stream: a stream is not replayed")
    grounding = await use.answers.ground(caller.space, caller.reader, caller.behalf, asked)
    return EventStream(_frames(doc_chat.chunks(use.answers, caller.behalf, grounding, answer_id, body.model)))


@router.get("/knowledge/v1/models", summary="List the models that answer from documents")
async def list_models(principal: Annotated[Principal, require("knowledge:read")]) -> OpenAIModels:
    """The one there is; `doc-chat/provider/model` has another model of the gateway write."""
    del principal
    return OpenAIModels(data=[OpenAIModel(owned_by="knowledge", id=doc_chat.MODEL)])


async def _frames(chunks: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield b"data: " + orjson.dumps(chunk) + b"\n\n"
    except DcoderError as error:
        # The status is long sent: the error is the stream's last word, and [DONE] is withheld.
        yield b"data: " + orjson.dumps(envelope(as_dcoder_error(error))) + b"\n\n"
        return
    yield b"data: [DONE]\n\n"


app = create_app(router, wire=retrieval)
