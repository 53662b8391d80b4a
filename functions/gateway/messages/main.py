"""POST /v1/messages and /v1/messages/count_tokens, Anthropic-compatible."""

from typing import Annotated

from fastapi import Request, Response

from functions.gateway.bodies import documented, read_body
from functions.gateway.calls import caller_of
from functions.gateway.core.messages import Messages
from functions.gateway.messages.errors import MessagesErrorEnvelope, error_body
from functions.gateway.messages.schemas import CountTokensRequest, MessagesRequest
from functions.gateway.serving import Framing, complete, json_response, named, named_frame
from functions.gateway.wiring import Gateway, gateway
from functions.kit.app import create_app
from functions.kit.authorisation import LATER, require
from functions.kit.context import current
from functions.kit.principal import Principal
from functions.kit.routing import ErrorEnvelope, api_router

# What the edge refuses by itself it refuses in the platform's words.
router = api_router(MessagesErrorEnvelope | ErrorEnvelope)
FRAMING = Framing(named_frame, lambda error, _: error_body(error))


@router.post("/llm/{provider}/{model:path}/v1/messages", response_class=Response, include_in_schema=False)
@router.post(
    "/v1/messages",
    response_class=Response,
    openapi_extra=documented(MessagesRequest),
    summary="Create a message",
)
async def create_message(request: Request, principal: Annotated[Principal, require("llm:call", LATER)]) -> Response:
    """Answer a conversation in Anthropic's format, by whichever provider the model belongs to."""
    body = await read_body(request, MessagesRequest)
    own = {"request-id": current().request_id}
    return await complete(request, principal, body, FRAMING, Messages(body, request.headers), own=own)


@router.post("/llm/{provider}/{model:path}/v1/messages/count_tokens", response_class=Response, include_in_schema=False)
@router.post(
    "/v1/messages/count_tokens",
    response_class=Response,
    openapi_extra=documented(CountTokensRequest),
    summary="Count the tokens of messages",
)
async def count_tokens(request: Request, principal: Annotated[Principal, require("llm:call", LATER)]) -> Response:
    """The tokens that the messages would have as a prompt. Nothing is called, kept or billed."""
    use: Gateway = request.app.state.wiring
    body = await read_body(request, CountTokensRequest)
    counted = await use.token_counts.count(await caller_of(request, principal), Messages(body, request.headers))
    headers = {
        "request-id": current().request_id,
        "x-dcoder-provider": counted.target.provider.name,
        "x-dcoder-model": named(counted.target.model),
        "x-dcoder-estimated": str(counted.estimated).lower(),
    }
    return json_response({"input_tokens": counted.tokens}, headers)


app = create_app(router, wire=gateway, error_body=error_body)
