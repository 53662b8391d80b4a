"""POST /v1/chat/completions, OpenAI-compatible."""

from typing import Annotated

from fastapi import Request, Response

from functions.gateway.bodies import documented, read_body
from functions.gateway.chat.schemas import ChatCompletionRequest
from functions.gateway.openai_errors import OpenAIErrors, error_body
from functions.gateway.serving import Framing, complete, data_frame
from functions.gateway.wiring import gateway
from functions.kit.app import create_app
from functions.kit.authorisation import LATER, require
from functions.kit.principal import Principal
from functions.kit.routing import api_router

router = api_router(OpenAIErrors)
FRAMING = Framing(data_frame, lambda error, _: error_body(error), b"data: [DONE]\n\n")


@router.post("/llm/{provider}/{model:path}/v1/chat/completions", response_class=Response, include_in_schema=False)
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
    return await complete(request, principal, await read_body(request, ChatCompletionRequest), FRAMING)


app = create_app(router, wire=gateway, error_body=error_body)
