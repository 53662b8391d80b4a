"""POST /v1/embeddings, OpenAI-compatible."""

import time
from typing import Annotated

from fastapi import Request, Response

from functions.gateway.bodies import documented, read_body
from functions.gateway.calls import caller_of
from functions.gateway.embeddings.schemas import EmbeddingsRequest
from functions.gateway.openai_errors import OpenAIErrors, error_body
from functions.gateway.serving import json_response, named
from functions.gateway.wiring import Gateway, gateway
from functions.kit.app import create_app
from functions.kit.authorisation import LATER, require
from functions.kit.principal import Principal
from functions.kit.routing import api_router

router = api_router(OpenAIErrors)


@router.post("/llm/{provider}/{model:path}/v1/embeddings", response_class=Response, include_in_schema=False)
@router.post(
    "/v1/embeddings",
    response_class=Response,
    openapi_extra=documented(EmbeddingsRequest),
    summary="Create embeddings",
)
async def create_embeddings(request: Request, principal: Annotated[Principal, require("llm:call", LATER)]) -> Response:
    """Embed one or many texts by the tenant's provider."""
    started = time.perf_counter()
    use: Gateway = request.app.state.wiring
    body = await read_body(request, EmbeddingsRequest)
    embedded = await use.embedder.embed(await caller_of(request, principal), body)
    overhead = (time.perf_counter() - started - embedded.seconds) * 1000
    headers = {
        "x-dcoder-overhead-ms": f"{max(0.0, overhead):.2f}",
        "x-dcoder-provider": embedded.target.provider.name,
        "x-dcoder-model": named(embedded.target.model),
    }
    return json_response(embedded.answer, headers)


app = create_app(router, wire=gateway, error_body=error_body)
