"""POST /v1/completions, OpenAI's legacy completion of a prompt."""

from typing import Annotated

from fastapi import Request, Response

from functions.gateway.bodies import documented, read_body
from functions.gateway.completions.schemas import CompletionRequest
from functions.gateway.core.text_completions import TextCompletions
from functions.gateway.openai_errors import OpenAIErrors, error_body
from functions.gateway.serving import Framing, complete, data_frame
from functions.gateway.wiring import gateway
from functions.kit.app import create_app
from functions.kit.authorisation import LATER, require
from functions.kit.principal import Principal
from functions.kit.routing import api_router

router = api_router(OpenAIErrors)
FRAMING = Framing(data_frame, lambda error, _: error_body(error), b"data: [DONE]\n\n")


@router.post("/llm/{provider}/{model:path}/v1/completions", response_class=Response, include_in_schema=False)
@router.post(
    "/v1/completions",
    response_class=Response,
    openapi_extra=documented(CompletionRequest),
    summary="Create a completion of a prompt",
)
async def create_completion(request: Request, principal: Annotated[Principal, require("llm:call", LATER)]) -> Response:
    """Go on from a prompt: by OpenAI's own completions, or as a chat in which the user says it."""
    body = await read_body(request, CompletionRequest)
    return await complete(request, principal, body, FRAMING, TextCompletions(body))


app = create_app(router, wire=gateway, error_body=error_body)
