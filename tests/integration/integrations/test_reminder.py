"""A task that was lost, on the running platform."""

import asyncpg
import pytest
from temporalio.client import Client

from tests.integration.integrations.conftest import DOCUMENT, Pets
from tests.integration.integrations.test_background import OPERATIONS, settled
from tests.integration.integrations.test_mcp import path
from tests.platform import Api, Platform, Tenant

pytestmark = pytest.mark.integration

LOST = """
    UPDATE mcp_servers SET state = 'pending', requested_at = now() - interval '1 hour', document = '{}',
        document_url = $1
"""


async def test_a_lost_task_is_made_up_for(platform: Platform, as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    # As a worker leaves it that was killed in the moment of taking the task: pending, and nowhere in the queue.
    body = {"title": "Pets", "openapi": DOCUMENT, "baseUrl": pets.base_url, "operations": OPERATIONS}
    assert (await as_tenant.call("PUT", path(tenant), body)).status == 200
    admin = platform.status["credentials"]["postgresAdminUrl"].rpartition("/")[0]
    database = await asyncpg.connect(f"{admin}/{tenant.database}")
    await database.execute(LOST, f"{pets.base_url}/openapi.json")
    await database.close()
    assert (await as_tenant.call("GET", path(tenant))).body["state"] == "pending"
    temporal = await Client.connect(platform.status["components"]["temporal"]["address"], namespace="dcoder")
    await temporal.get_schedule_handle("integrations-reminder").trigger()
    server = await settled(as_tenant, tenant)
    assert (server["state"], [tool["name"] for tool in server["tools"]]) == ("ready", OPERATIONS)
    assert [seen[1] for seen in pets.seen] == ["/openapi.json"]
