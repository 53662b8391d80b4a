"""The platform's own embedder, for tenants without an embedding model."""

import pytest

from scenarios.chaos.gateways import environment_of, gateways
from tests.integration.gateway_cache.test_processes import ask
from tests.platform import Api, Platform, Tenant, eventually

pytestmark = pytest.mark.integration


async def test_the_platform_embeds_for_tenants_without_a_model(platform: Platform, api: Api, tenant: Tenant) -> None:
    simulator = f"{platform.simulator}/openai/v1"
    provider = {"name": "openai", "kind": "openai", "apiKey": tenant.provider_key, "baseUrl": simulator}
    stored = await api.as_(tenant.key).call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": [provider]})
    assert stored.status == 200, stored.body
    environment = {
        **environment_of(platform.pid("llm")),
        "DCODER_CACHE_EMBEDDER_URL": f"{simulator}/",
        "DCODER_CACHE_EMBEDDER_MODEL": "text-embedding-3-small",
        "DCODER_CACHE_EMBEDDER_KEY": f"{tenant.provider_key}-platform",
        "DCODER_CACHE_EMBEDDING_SECONDS": "10",
    }
    async with gateways(1, environment) as (gateway,):

        async def kept() -> bool:
            state, _ = await ask(api, tenant, gateway, "What causes the tides?")
            return state == "hit"

        assert await eventually(kept)
        state, _ = await ask(api, tenant, gateway, "Could you please tell me what causes the tides?")
        assert state == "semantic"
    async with api.session.get(f"{platform.simulator}/_sim/usage") as response:
        keys = (await response.json())["keys"]
    assert keys[f"{tenant.provider_key}-platform"]["embeddingCalls"] > 0
    assert keys[tenant.provider_key]["embeddingCalls"] == 0
