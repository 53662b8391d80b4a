"""Access policies that name a model hold on every LLM route."""

from tests.platform import Api, Tenant, eventually


async def test_a_policy_that_names_a_model_holds(as_tenant: Api, tenant: Tenant) -> None:
    policy = {
        "name": "the small model only",
        "who": [f"key:{tenant.key_id}"],
        "actions": ["llm:call"],
        "when": "resource.kind == 'model' and resource.name not in ['openai/gpt-4o-mini']",
        "effect": "deny",
    }
    stored = await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/policies", {"policies": [policy]})
    assert stored.status == 200, stored.body

    async def refused() -> bool:
        return (await as_tenant.chat("Hello?", model="openai/gpt-4o")).status == 403

    assert await eventually(refused)
    assert (await as_tenant.chat("Hello?")).status == 200
    embedded = await as_tenant.call(
        "POST", "/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "tides"}
    )
    assert (embedded.status, embedded.code) == (403, "forbidden")
