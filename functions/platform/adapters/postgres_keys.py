"""Tenants' data keys, and the secrets under them, in the platform database."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from functions.kit.database import connection
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
    """Port `SealedSecrets`."""

    async def older(self, tenant_id: str, version: int, limit: int) -> Sequence[SealedSecret]:
        """Those under a version below this one."""
        query = f"{_OLDER} LIMIT $3"
        return [
            SealedSecret(
                Place(tenant_id, row["place_table"], row["place_row"], row["place_column"]), bytes(row["ciphertext"])
            )
            for row in await (await connection()).fetch(query, tenant_id, version, limit)
        ]

    async def replace(self, secret: SealedSecret, ciphertext: bytes) -> bool:
        """Store another ciphertext in a secret's place, unless it has changed meanwhile."""
        place = secret.place
        tag = await (await connection()).execute(
            _REPLACE[place.table, place.column], place.tenant_id, place.row, secret.ciphertext, ciphertext
        )
        return tag == "UPDATE 1"


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
