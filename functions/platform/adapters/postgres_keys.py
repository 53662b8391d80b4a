"""Tenants' data keys in the platform database, and the secrets under them, there and in the tenants' own databases."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from functions.kit.database import Connection, connection
from functions.kit.secrets import Place, WrappedKey
from functions.platform.core.rotate_keys import DataKeyVersion, SealedSecret


class SealedColumn(NamedTuple):
    """A column of secrets.

    Attributes:
        row: the column that names the row in the secret's `Place`.
        tenant: the column that names the tenant.
    """

    table: str
    column: str
    row: str = "id"
    tenant: str = "tenant_id"


# Every column that holds ciphertexts of the kit's SecretBox. One that is missing here would never be rotated: a test
# compares with the schema.
SEALED = (
    SealedColumn("providers", "secret"),
    SealedColumn("tenants", "database_secret", tenant="id"),
    SealedColumn("flag_webhooks", "secret", row="tenant_id"),
)
# The same in every tenant's own database, which is nobody else's. Other contexts keep them; places are named alike.
SEALED_OF_TENANT = (
    SealedColumn("mcp_servers", "secret"),
    SealedColumn("agent_mcp_servers", "secret", row="name"),
    SealedColumn("tool_calls", "result", row="call_id"),
)
# A ciphertext begins with its key's version, big endian: bytes compare like numbers.
_OLDER = " UNION ALL ".join(
    f"""
    SELECT '{sealed.table}' AS place_table, {sealed.row}::text AS place_row, '{sealed.column}' AS place_column,
           {sealed.column} AS ciphertext
    FROM {sealed.table} WHERE {sealed.tenant} = $1 AND substr({sealed.column}, 1, 4) < int4send($2::int)
    """  # noqa: S608 - the names are ours
    for sealed in SEALED
)
_REPLACE = {
    (sealed.table, sealed.column): f"""
        UPDATE {sealed.table} SET {sealed.column} = $4
        WHERE {sealed.tenant} = $1 AND {sealed.row} = $2 AND {sealed.column} = $3
    """  # noqa: S608 - the names are ours
    for sealed in SEALED
}
_DATABASE = "SELECT database FROM tenants WHERE id = $1"
_EXISTS = "SELECT to_regclass('public.' || $1) IS NOT NULL"
# Held until the new ciphertext is stored.
_OLDER_OF_TENANT = {
    sealed: f"""
        SELECT {sealed.row}::text AS place_row, {sealed.column} AS ciphertext FROM {sealed.table}
        WHERE {sealed.column} IS NOT NULL AND substr({sealed.column}, 1, 4) < int4send($1::int)
        LIMIT $2 FOR NO KEY UPDATE
    """  # noqa: S608 - the names are ours
    for sealed in SEALED_OF_TENANT
}
_REPLACE_OF_TENANT = {
    (sealed.table, sealed.column): f"""
        UPDATE {sealed.table} SET {sealed.column} = $3 WHERE {sealed.row} = $1 AND {sealed.column} = $2
    """  # noqa: S608 - the names are ours
    for sealed in SEALED_OF_TENANT
}
_ACTIVE = """
    SELECT version, kek_id, wrapped, version = 1 OR completed_at IS NOT NULL AS is_complete
    FROM tenant_keys WHERE tenant_id = $1 AND active
"""
_ADD = "INSERT INTO tenant_keys (tenant_id, version, kek_id, wrapped) VALUES ($1, $2, $3, $4)"
_COMPLETE = "UPDATE tenant_keys SET completed_at = clock_timestamp() WHERE tenant_id = $1 AND version = $2"
_OLDER_THAN = """
    SELECT k.tenant_id::text FROM tenant_keys k JOIN tenants t ON t.id = k.tenant_id
    WHERE k.active AND t.status <> 'provisioning'
      AND (k.created_at < $1 OR (k.version > 1 AND k.completed_at IS NULL))
    ORDER BY k.created_at
"""
_NOT_UNDER = """
    SELECT tenant_id::text, version, kek_id, wrapped FROM tenant_keys WHERE kek_id <> $1
    ORDER BY tenant_id, version LIMIT $2 FOR NO KEY UPDATE
"""
_REWRAP = "UPDATE tenant_keys SET kek_id = $3, wrapped = $4 WHERE tenant_id = $1 AND version = $2"


class PostgresSealedSecrets:
    """Port `SealedSecrets`: those in the platform database first, then those in the tenant's own."""

    async def older(self, tenant_id: str, version: int, limit: int) -> Sequence[SealedSecret]:
        """Those under a version below this one."""
        query = f"{_OLDER} LIMIT $3"
        found = [
            SealedSecret(
                Place(tenant_id, row["place_table"], row["place_row"], row["place_column"]), bytes(row["ciphertext"])
            )
            for row in await (await connection()).fetch(query, tenant_id, version, limit)
        ]
        return found or await _older_of_tenant(tenant_id, version, limit)

    async def replace(self, secret: SealedSecret, ciphertext: bytes) -> bool:
        """Store another ciphertext in a secret's place, unless it has changed meanwhile."""
        place = secret.place
        of_tenant = _REPLACE_OF_TENANT.get((place.table, place.column))
        if of_tenant is not None:
            session = await _tenants_own(place.tenant_id)
            tag = await session.execute(of_tenant, place.row, secret.ciphertext, ciphertext)
        else:
            tag = await (await connection()).execute(
                _REPLACE[place.table, place.column], place.tenant_id, place.row, secret.ciphertext, ciphertext
            )
        return tag == "UPDATE 1"


async def _older_of_tenant(tenant_id: str, version: int, limit: int) -> list[SealedSecret]:
    session = await _tenants_own(tenant_id)
    found: list[SealedSecret] = []
    for sealed, query in _OLDER_OF_TENANT.items():
        # A database that is not migrated yet has none.
        if await session.fetchval(_EXISTS, sealed.table):
            found += [
                SealedSecret(Place(tenant_id, sealed.table, row["place_row"], sealed.column), bytes(row["ciphertext"]))
                for row in await session.fetch(query, version, limit - len(found))
            ]
    return found


async def _tenants_own(tenant_id: str) -> Connection:
    return await connection(await (await connection()).fetchval(_DATABASE, tenant_id))


class PostgresTenantKeys:
    """Port `TenantKeys`."""

    async def active(self, tenant_id: str) -> DataKeyVersion:
        """The version that new secrets are encrypted with."""
        row = await (await connection()).fetchrow(_ACTIVE, tenant_id)
        if row is None:
            raise LookupError(f"tenant {tenant_id} has no data key")
        wrapped = WrappedKey(row["kek_id"], bytes(row["wrapped"]))
        return DataKeyVersion(tenant_id, row["version"], wrapped, is_complete=row["is_complete"])

    async def activate(self, key: DataKeyVersion) -> None:
        """Add a version and make it the active one."""
        session = await connection()
        await session.execute("UPDATE tenant_keys SET active = false WHERE tenant_id = $1 AND active", key.tenant_id)
        await session.execute(_ADD, key.tenant_id, key.version, key.wrapped.kek_id, key.wrapped.wrapped)

    async def complete(self, tenant_id: str, version: int) -> None:
        """Note that every secret of the tenant is under this version."""
        await (await connection()).execute(_COMPLETE, tenant_id, version)

    async def older_than(self, moment: datetime) -> Sequence[str]:
        """Ids of the tenants whose active data key is older, or not complete."""
        return [row["tenant_id"] for row in await (await connection()).fetch(_OLDER_THAN, moment)]

    async def not_under(self, kek_id: str, limit: int) -> Sequence[DataKeyVersion]:
        """Data keys, of all versions, that another key-encryption key wraps, held until the unit of work ends."""
        return [
            DataKeyVersion(row["tenant_id"], row["version"], WrappedKey(row["kek_id"], bytes(row["wrapped"])))
            for row in await (await connection()).fetch(_NOT_UNDER, kek_id, limit)
        ]

    async def rewrap(self, key: DataKeyVersion, wrapped: WrappedKey) -> None:
        """Store a data key as wrapped anew."""
        await (await connection()).execute(_REWRAP, key.tenant_id, key.version, wrapped.kek_id, wrapped.wrapped)
