"""Keys rotate under load, and nobody notices."""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from functions.platform.adapters.postgres_keys import SEALED, SEALED_OF_TENANT
from tests.integration.conftest import NewTenant
from tests.integration.platform_members.conftest import Admin
from tests.platform import Api, Platform, Tenant

pytestmark = pytest.mark.integration

VERSIONS = """
    SELECT k.version, k.active, k.kek_id, k.completed_at IS NOT NULL AS completed FROM tenant_keys k
    WHERE k.tenant_id = $1 ORDER BY k.version
"""
SEALED_UNDER = """
    SELECT get_byte(secret, 3) AS version FROM providers WHERE tenant_id = $1
    UNION SELECT get_byte(database_secret, 3) FROM tenants WHERE id = $1
"""


OF_TENANT = "SELECT get_byte(secret, 3) AS version FROM mcp_servers ORDER BY name"
MCP_SERVER = {
    "title": "Quays",
    "description": "What lies at which quay.",
    "openapi": {
        "openapi": "3.1.0",
        "info": {"title": "Quays", "version": "1"},
        "paths": {"/quays": {"get": {"operationId": "list_quays", "responses": {"200": {"description": "All."}}}}},
    },
    "operations": ["list_quays"],
    "baseUrl": "http://127.0.0.1:1",
    "auth": {"kind": "bearer"},
    "secret": "s3cret-of-the-quays",
}


async def fetch(platform: Platform, query: str, *arguments: Any, of: Tenant | None = None) -> list["asyncpg.Record"]:
    """Rows of the platform database, or as a superuser of a tenant's own."""
    known = platform.status["credentials"]
    connection = await (
        asyncpg.connect(known["postgresAdminUrl"], database=of.database)
        if of
        else asyncpg.connect(known["postgresUrl"])
    )
    try:
        rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
        return rows
    finally:
        await connection.close()


async def rotate(platform: Platform, *options: str) -> str:
    done = await asyncio.to_thread(platform.dcoder, "rotate-keys", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Load:
    """Calls without a pause, each to a provider whose key is opened anew every few calls."""

    def __init__(self, api: Api, tenant: Tenant) -> None:
        self._api = api.as_(tenant.key)
        self._tenant = tenant
        self.statuses: list[int] = []
        self.ended = False

    async def chat(self, number: int) -> None:
        while not self.ended:
            reply = await self._api.chat(f"What is a quay? {number}", headers={"cache-control": "no-store, no-cache"})
            self.statuses.append(reply.status)

    async def configure(self) -> None:
        path = f"/v1/tenants/{self._tenant.id}/providers"
        providers = (await self._api.call("GET", path)).body["providers"]
        kept = ("name", "kind", "baseUrl", "embeddingModel")
        body = {"providers": [{name: provider[name] for name in kept} for provider in providers]}
        while not self.ended:
            # Whoever caches the key forgets it.
            self.statuses.append((await self._api.call("PUT", path, body)).status)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.05)


async def test_no_call_fails_while_data_key_and_key_encryption_key_rotate(
    platform: Platform, api: Api, as_operator: Admin, tenant: Tenant
) -> None:
    # The edge lets it call without a pause.
    assert (await as_operator("PATCH", "", {"plan": "enterprise"})).status == 200
    load = Load(api, tenant)
    tasks = [asyncio.create_task(load.chat(number)) for number in range(4)]
    tasks.append(asyncio.create_task(load.configure()))
    before = await fetch(platform, VERSIONS, tenant.id)
    try:
        await rotate(platform, "--tenant", tenant.id)
        said = await rotate(platform, "--kek")
        await rotate(platform, "--tenant", tenant.id)
    finally:
        load.ended = True
        await asyncio.gather(*tasks)
    assert set(load.statuses) == {200}
    assert len(load.statuses) > 50
    versions = await fetch(platform, VERSIONS, tenant.id)
    assert [row["version"] for row in versions] == [1, 2, 3]
    assert [row["active"] for row in versions] == [False, False, True]
    assert versions[-1]["completed"]
    (kek,) = {row["kek_id"] for row in versions}
    assert kek not in {row["kek_id"] for row in before}
    assert kek in said
    assert [row["version"] for row in await fetch(platform, SEALED_UNDER, tenant.id)] == [3]
    assert not await fetch(platform, "SELECT FROM tenant_keys WHERE kek_id <> $1", kek)


async def test_secrets_in_the_tenant_s_own_database_rotate_along(
    platform: Platform, api: Api, new_tenant: NewTenant
) -> None:
    tenant = await new_tenant()
    path = f"/v1/tenants/{tenant.id}/mcp-servers"
    # More than are brought under the new key at once.
    for number in range(60):
        made = await api.as_(tenant.key).call("PUT", f"{path}/quays-{number:02}", MCP_SERVER)
        assert made.status in {200, 201}, made.body

    async def versions() -> set[int]:
        return {row["version"] for row in await fetch(platform, OF_TENANT, of=tenant)}

    assert await versions() == {1}
    said = await rotate(platform, "--tenant", tenant.id)
    assert "62 secrets under it" in said
    assert await versions() == {2}
    # A run that broke off amid them: those that are left are found, and no other.
    await fetch(platform, "UPDATE tenant_keys SET completed_at = NULL WHERE tenant_id = $1", tenant.id)
    assert "version 2, 0 secrets" in await rotate(platform, "--tenant", tenant.id)
    # What is kept stays usable: without the secret, the server is stored again with the one there is.
    kept = {name: value for name, value in MCP_SERVER.items() if name != "secret"}
    assert (await api.as_(tenant.key).call("PUT", f"{path}/quays-00", kept)).status == 200


async def test_a_rotation_that_broke_off_is_finished(platform: Platform, api: Api, new_tenant: NewTenant) -> None:
    tenant = await new_tenant()
    await rotate(platform, "--tenant", tenant.id)
    # As it is when the process dies right after it has made the new version.
    await fetch(platform, "UPDATE tenant_keys SET completed_at = NULL WHERE tenant_id = $1", tenant.id)
    said = await rotate(platform, "--tenant", tenant.id)
    assert "finished what broke off, version 2" in said
    assert "new data key, version 3" in await rotate(platform, "--tenant", tenant.id)
    assert (await api.as_(tenant.key).chat("What is a bollard?")).status == 200


async def test_a_tenant_that_there_is_not(platform: Platform) -> None:
    done = await asyncio.to_thread(platform.dcoder, "rotate-keys", "--tenant", "nobody")
    assert (done.returncode, "there is no such tenant" in done.stderr) == (1, True)


BYTES = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type = 'bytea'
"""


async def test_every_column_that_may_hold_secrets_is_known(platform: Platform, tenant: Tenant) -> None:
    """A new column of bytes belongs into SEALED…, or here when it is not encrypted under a tenant's data key."""
    others = {
        ("idempotency_keys", "fingerprint"),
        ("idempotency_keys", "body"),
        ("tenant_keys", "wrapped"),
    }
    columns = await fetch(platform, BYTES)
    assert {(row["table_name"], row["column_name"]) for row in columns} - others == {
        (sealed.table, sealed.column) for sealed in SEALED
    }


async def test_every_column_of_a_tenant_s_database_that_may_hold_secrets_is_known(
    platform: Platform, tenant: Tenant
) -> None:
    others = {
        ("embeddings", "hash"),
        ("embeddings", "vector"),
        ("postings", "entries"),
        ("removals", "numbers"),
        ("tool_calls", "digest"),
    }
    columns = await fetch(platform, BYTES, of=tenant)
    assert {(row["table_name"], row["column_name"]) for row in columns} - others == {
        (sealed.table, sealed.column) for sealed in SEALED_OF_TENANT
    }
