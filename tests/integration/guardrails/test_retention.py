"""What was found too long ago is forgotten by the clock."""

import asyncpg
from temporalio.client import Client

from tests.integration.guardrails.test_guardrails import ATTACK, findings, path
from tests.platform import Api, Platform, Tenant, eventually

OLD = "UPDATE guardrail_findings SET at = now() - interval '91 days' WHERE request_id = $1"


async def test_old_findings_are_forgotten(platform: Platform, api: Api, as_tenant: Api, tenant: Tenant) -> None:
    for name in ("an-old-call", "a-new-call"):
        assert (await as_tenant.chat(f"{ATTACK} {name}", headers={"x_request_id": name})).status == 200
        assert await findings(api, tenant, requestId=name)
    connection = await asyncpg.connect(platform.status["credentials"]["postgresUrl"])
    await connection.execute(OLD, "an-old-call")
    await connection.close()
    temporal = await Client.connect(platform.status["components"]["temporal"]["address"], namespace="dcoder")
    await temporal.get_schedule_handle("guardrails-retention").trigger()

    async def left() -> bool:
        page = await as_tenant.call("GET", path(tenant, "/findings"))
        return {one["requestId"] for one in page.body["items"]} == {"a-new-call"}

    assert await eventually(left, 60)
