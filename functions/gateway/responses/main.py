"""POST /v1/responses, OpenAI's Responses API without its memory."""

from typing import Annotated, Any

from fastapi import Path, Request, Response

from functions.gateway.bodies import documented, read_body
from functions.gateway.core.errors import ResponsesNotKept
from functions.gateway.core.models import Json
from functions.gateway.core.responses import Responses
from functions.gateway.openai_errors import OpenAIErrors, error_body, param_of
from functions.gateway.responses.schemas import ResponsesRequest
from functions.gateway.serving import Framing, complete, named_frame
from functions.gateway.wiring import gateway
from functions.kit.app import create_app
from functions.kit.authorisation import LATER, require
from functions.kit.errors import DcoderError
from functions.kit.principal import Principal
from functions.kit.routing import api_router

router = api_router(OpenAIErrors)


def failure(error: DcoderError, told: int) -> Json:
    """The event that ends a broken stream."""
    return {
        "type": "error",
        "code": error.code,
        "message": error.message,
        "param": param_of(error),
        "sequence_number": told,
    }


FRAMING = Framing(named_frame, failure)


@router.post("/llm/{provider}/{model:path}/v1/responses", response_class=Response, include_in_schema=False)
@router.post(
    "/v1/responses",
    response_class=Response,
    openapi_extra=documented(ResponsesRequest),
    summary="Create a response",
)
async def create_response(request: Request, principal: Annotated[Principal, require("llm:call", LATER)]) -> Response:
    """Answer a conversation in the Responses format, by whichever provider the model belongs to. Nothing is kept."""
    body = await read_body(request, ResponsesRequest)
    return await complete(request, principal, body, FRAMING, Responses(body))


@router.get(
    "/v1/responses/{responseId}", dependencies=[require("llm:call", LATER)], summary="Refuse to give a response again"
)
@router.delete(
    "/v1/responses/{responseId}", dependencies=[require("llm:call", LATER)], summary="Refuse to delete a response"
)
async def kept_response(response_id: Annotated[str, Path(alias="responseId", max_length=256)]) -> dict[str, Any]:
    """Responses are not kept, so that there is none to give or to delete."""
    del response_id
    raise ResponsesNotKept("responses are not kept here: there is nothing to retrieve or to delete")


app = create_app(router, wire=gateway, error_body=error_body)
