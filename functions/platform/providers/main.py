"""PUT and GET /v1/tenants/{tenantId}/providers, POST …/{name}/test."""

from typing import Annotated

from fastapi import Path, Request

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.routing import api_router
from functions.platform.providers.schemas import Provider, ProviderList, ProviderTest, PutProvidersBody
from functions.platform.wiring import Platform, platform

router = api_router()


@router.put(
    "/v1/tenants/{tenantId}/providers", dependencies=[require("providers:write")], summary="Replace the providers"
)
async def put_providers(
    request: Request, tenant_id: Annotated[str, Path(alias="tenantId")], body: PutProvidersBody
) -> ProviderList:
    """Make the given providers all that the tenant has. Keys are stored encrypted and never shown again."""
    use: Platform = request.app.state.wiring
    providers = await use.put_providers(tenant_id, [provider.draft() for provider in body.providers])
    return ProviderList(providers=[Provider.model_validate(provider) for provider in providers])


@router.get("/v1/tenants/{tenantId}/providers", dependencies=[require("providers:read")], summary="Get the providers")
async def get_providers(request: Request, tenant_id: Annotated[str, Path(alias="tenantId")]) -> ProviderList:
    """The tenant's providers, keys masked."""
    use: Platform = request.app.state.wiring
    return ProviderList(
        providers=[Provider.model_validate(provider) for provider in await use.get_providers(tenant_id)]
    )


@router.post(
    "/v1/tenants/{tenantId}/providers/{name}/test",
    dependencies=[require("providers:test")],
    summary="Test the connection to a provider",
)
async def test_provider(
    request: Request,
    tenant_id: Annotated[str, Path(alias="tenantId")],
    name: Annotated[str, Path(max_length=100, pattern=r"^[^\x00]*$")],
) -> ProviderTest:
    """Ask the provider for its models, with the stored key. Takes six seconds at most and costs nothing there."""
    use: Platform = request.app.state.wiring
    return ProviderTest.of(await use.probe_provider(tenant_id, name))


app = create_app(router, wire=platform)
