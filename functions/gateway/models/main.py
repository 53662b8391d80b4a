"""GET /v1/models and GET /v1/models/{model}, OpenAI-compatible."""

from typing import Annotated

from fastapi import Path, Request

from functions.gateway.calls import caller_of
from functions.gateway.models.schemas import Model, ModelList
from functions.gateway.openai_errors import OpenAIErrors, error_body
from functions.gateway.wiring import Gateway, gateway
from functions.kit.app import create_app
from functions.kit.authorisation import LATER, require
from functions.kit.principal import Principal
from functions.kit.routing import api_router

router = api_router(OpenAIErrors)
MayCall = Annotated[Principal, require("llm:call", LATER)]


@router.get("/v1/models", summary="List the models the tenant's providers name")
async def list_models(request: Request, principal: MayCall) -> ModelList:
    """The models that providers list and that aliases name; a provider that lists none takes any of its own."""
    use: Gateway = request.app.state.wiring
    return ModelList(data=[Model.of(named) for named in await use.models.all(await caller_of(request, principal))])


@router.get("/llm/{provider}/{model:path}/v1/models", include_in_schema=False)
async def list_one(request: Request, provider: str, model: str, principal: MayCall) -> ModelList:
    """The one model that the path names."""
    use: Gateway = request.app.state.wiring
    named = await use.models.one(await caller_of(request, principal), f"{provider}/{model}")
    return ModelList(data=[Model.of(named)])


@router.get("/v1/models/{model:path}", summary="Get a model")
async def get_model(
    request: Request,
    model: Annotated[str, Path(max_length=400, description="An alias, `provider/model`, or a listed model.")],
    principal: MayCall,
) -> Model:
    """One model, under its full name or its alias."""
    use: Gateway = request.app.state.wiring
    return Model.of(await use.models.one(await caller_of(request, principal), model))


app = create_app(router, wire=gateway, error_body=error_body)
