"""GET /v1/models, OpenAI-compatible."""

from typing import Annotated

from fastapi import Request

from functions.gateway.calls import caller_of
from functions.gateway.core.models import Target
from functions.gateway.models.schemas import Model, ModelList
from functions.gateway.wiring import Gateway, gateway
from functions.kit.app import create_app
from functions.kit.authorisation import LATER, require
from functions.kit.principal import Principal
from functions.kit.routing import api_router

router = api_router()


@router.get("/v1/models", summary="List the models the tenant's providers name")
async def list_models(request: Request, principal: Annotated[Principal, require("llm:call", LATER)]) -> ModelList:
    """The models that providers list and the credential may call; a provider that lists none takes any of its own."""
    use: Gateway = request.app.state.wiring
    caller = await caller_of(request, principal)
    providers = await use.directory.providers(caller.tenant_id)
    return ModelList(
        data=[
            Model(id=f"{p.name}/{name}", owned_by=p.name)
            for p in providers
            for name in sorted(set(p.models))
            if caller.may_call(Target(p, name))
        ]
    )


app = create_app(router, wire=gateway)
