"""What is done by the clock, and what follows from a limit at the edge, on the running platform."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, WorkflowExecutionStatus

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


@pytest.mark.parametrize("function", ["platform-outbox-sweep", "platform-backup-check"])
async def test_where_all_is_well_a_look_raises_nothing(platform: Platform, operator: Api, function: str) -> None:
    temporal = await Client.connect(platform.status["components"]["temporal"]["address"], namespace="dcoder")
    schedule = temporal.get_schedule_handle(function)
    before = len((await schedule.describe()).info.recent_actions)
    await schedule.trigger()

    async def ran() -> bool:
        actions = (await schedule.describe()).info.recent_actions[before:]
        if not actions:
            return False
        action = actions[-1].action
        assert isinstance(action, ScheduleActionExecutionStartWorkflow)
        run = temporal.get_workflow_handle(action.workflow_id, run_id=action.first_execution_run_id)
        return (await run.describe()).status is WorkflowExecutionStatus.COMPLETED

    await eventually(ran, seconds=90)
    reply = await operator.call("GET", "/v1/alerts?kind=system&status=open&limit=200")
    keys = {alert["details"].get("condition") for alert in reply.body["items"]}
    assert not keys & {"backup", "archive"}


async def test_the_night_s_housekeeping_reaches_a_tenant_s_database(platform: Platform, tenant: Tenant) -> None:
    url = platform.status["credentials"]["postgresAdminUrl"].rpartition("/")[0]
    connection = await asyncpg.connect(f"{url}/{tenant.database}")
    await connection.execute(
        "INSERT INTO outbox (id, subject, payload, published_at) VALUES ($1, 'x', '{}', now() - interval '8 days')",
        tenant.id,
    )
    temporal = await Client.connect(platform.status["components"]["temporal"]["address"], namespace="dcoder")
    await temporal.get_schedule_handle("platform-housekeeping").trigger()

    async def gone() -> bool:
        return not await connection.fetchval("SELECT count(*) FROM outbox WHERE id = $1", tenant.id)

    await eventually(gone, seconds=60)
    await connection.close()


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
