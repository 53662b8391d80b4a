"""Feature flags through the edge: operators and tenants change them, Flagsmith's official client follows."""

import asyncio
import time
from typing import Any

import pytest
from flagsmith import Flagsmith
from flagsmith.exceptions import FlagsmithAPIError

from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Reply, Tenant


async def put(caller: Api, path: str, **flags: Any) -> Reply:
    reply = await caller.call("PUT", path, {"flags": {name.replace("_", "-"): state for name, state in flags.items()}})
    assert reply.status == 200, reply.body
    return reply


def is_enabled(platform: Platform, key: str, name: str, *, local: bool) -> bool:
    client = Flagsmith(
        environment_key=key,
        api_url=f"{platform.edge}/api/v1/",
        enable_local_evaluation=local,
        environment_refresh_interval_seconds=3600,
    )
    try:
        return client.get_identity_flags("user-1").is_feature_enabled(name)
    finally:
        client.session.close()
        if local:
            client.environment_data_polling_manager_thread.stop()
            client.environment_data_polling_manager_thread.join(5)


@pytest.mark.parametrize("local", [False, True])
async def test_plugin_enablement_reaches_the_official_client_within_two_seconds(
    platform: Platform, api: Api, operator: Api, new_tenant: NewTenant, local: bool
) -> None:
    one, other = await new_tenant(), await new_tenant()
    assert not await asyncio.to_thread(is_enabled, platform, f"ser.{one.key}", "plugin-jira", local=local)
    await put(api.as_(one.key), f"/v1/tenants/{one.id}/flags", plugin_jira={"enabled": True})
    deadline = time.monotonic() + 2
    while not await asyncio.to_thread(is_enabled, platform, f"ser.{one.key}", "plugin-jira", local=local):
        assert time.monotonic() < deadline
    assert not await asyncio.to_thread(is_enabled, platform, f"ser.{other.key}", "plugin-jira", local=local)
    listed = await operator.call("GET", f"/v1/tenants/{one.id}/flags")
    assert next(f for f in listed.body["items"] if f["name"] == "plugin-jira")["source"] == "tenant"


async def test_a_platform_flag_controls_the_feature_and_a_tenant_overrides_it(operator: Api, tenant: Tenant) -> None:
    path = f"/v1/tenants/{tenant.id}/flags"

    async def found() -> tuple[bool, str]:
        reply = await operator.call("GET", path)
        item = next(f for f in reply.body["items"] if f["name"] == "experiment-adaptive-routing")
        return item["enabled"], item["source"]

    await put(operator, "/v1/flags", experiment_adaptive_routing={"enabled": True})
    assert await found() == (True, "default")
    await put(operator, path, experiment_adaptive_routing={"enabled": False})
    assert await found() == (False, "tenant")
    await put(operator, "/v1/flags", experiment_adaptive_routing=None)
    await put(operator, path, experiment_adaptive_routing=None)
    assert await found() == (False, "default")


async def test_the_edge_lets_sdks_pass_and_the_function_judges_their_key(platform: Platform, api: Api) -> None:
    for path in ("/api/v1/flags/", "/api/v1/environment-document/"):
        reply = await api.call("GET", path, x_environment_key="ser.wrong")
        assert (reply.status, reply.code) == (401, "unauthenticated")
    heard = await api.call("POST", "/v1/webhooks/flagsmith", {}, x_flagsmith_signature="00")
    assert (heard.status, heard.code) == (401, "unauthenticated")
    with pytest.raises(FlagsmithAPIError):
        await asyncio.to_thread(is_enabled, platform, "wrong", "plugin-jira", local=False)
