"""What is done by the clock, and what follows from a limit at the edge, on the running platform."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from temporalio.client import Client

from functions.platform.core.edge import coarse_limit
from tests.integration.alerts.conftest import Bus, calls
from tests.platform import Api, Platform, Tenant, eventually

pytestmark = pytest.mark.integration


async def test_the_nightly_reconciliation_repairs_and_tells(
    platform: Platform, operator: Api, tenant: Tenant, bus: Bus
) -> None:
    async def requests() -> int:
        reply = await operator.call("GET", f"/v1/tenants/{tenant.id}/kpis")
        return int(reply.body["totals"]["requests"])

    async def mirrored() -> bool:
        return await requests() == 3

    await bus.say(calls(tenant, 3), tenant.id)
    await eventually(mirrored)
    connection = await asyncpg.connect(platform.status["credentials"]["postgresUrl"])
    await connection.execute("UPDATE kpis SET requests = 9 WHERE tenant_id = $1", tenant.id)
    await connection.close()
    assert await requests() == 9
    temporal = await Client.connect(platform.status["components"]["temporal"]["address"], namespace="dcoder")
    await temporal.get_schedule_handle("platform-reconciliation").trigger()
    await eventually(mirrored, seconds=60)

    async def told() -> list[dict[str, Any]]:
        reply = await operator.call("GET", "/v1/alerts?kind=system&limit=200")
        drifts = [d for a in reply.body["items"] for d in a["details"].get("drifts", ())]
        return [drift for drift in drifts if drift["tenantId"] == tenant.id]

    assert {drift["state"] for drift in await eventually(told, seconds=60)} == {"repaired"}


async def test_a_limit_on_requests_a_minute_reaches_the_edge(
    platform: Platform, as_tenant: Api, tenant: Tenant
) -> None:
    file = Path(platform.home) / "edge" / "tenants.json"

    async def told() -> int | None:
        known = {entry["id"]: entry for entry in json.loads(file.read_text())["tenants"]}
        return known[tenant.id]["perMinute"] if tenant.id in known else None

    for hard, expected in ((True, coarse_limit(60)), (False, None)):
        limit = {"subject": {"kind": "tenant"}, "metric": "requests", "window": "minute", "limit": 60, "hard": hard}
        stored = await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/quotas", {"quotas": [limit]})
        assert stored.status == 200, stored.body

        async def as_expected(expected: int | None = expected) -> bool:
            return await told() == expected

        await eventually(as_expected)
