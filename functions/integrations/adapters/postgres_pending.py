"""Registrations whose document is waited for, in the tenant's database."""

from collections.abc import Sequence
from datetime import datetime

from functions.integrations.core.models import Registration
from functions.kit.database import connection

_TENANT = "SELECT id::text FROM runtime.tenants WHERE database = $1"
_IS_OVERDUE = "state = 'pending' AND coalesce(reminded_at, requested_at) < $1"
# What waits in the outbox is not lost, however long.
_OVERDUE = f"""
    SELECT name, requested_at FROM mcp_servers WHERE {_IS_OVERDUE} AND NOT EXISTS (
        SELECT 1 FROM outbox WHERE published_at IS NULL AND subject = 'mcp.requested'
        AND payload -> 'data' ->> 'name' = mcp_servers.name
    )
    ORDER BY name
"""  # noqa: S608
# Of two at a time the second waits for the first, and then finds nothing.
_ASK_AGAIN = f"""
    UPDATE mcp_servers SET reminded_at = clock_timestamp() WHERE {_IS_OVERDUE} AND name = $2 AND requested_at = $3
    RETURNING true
"""  # noqa: S608
_GIVE_UP = """
    UPDATE mcp_servers SET state = 'failed', reason = $2, updated_at = clock_timestamp()
    WHERE state = 'pending' AND requested_at < $1 RETURNING name
"""


class PostgresPending:
    """Port `Pending`."""

    async def overdue(self, database: str, before: datetime) -> Sequence[Registration]:
        """Those that were asked for, and for the last time, before that."""
        rows = await (await connection(database)).fetch(_OVERDUE, before)
        if not rows:
            return ()
        tenant_id = await (await connection()).fetchval(_TENANT, database)
        return [Registration(tenant_id, row["name"], row["requested_at"]) for row in rows]

    async def ask_again(self, database: str, registration: Registration, before: datetime) -> bool:
        """Note that it is asked for again now; False when it is no longer overdue."""
        known = (before, registration.name, registration.requested_at)
        return bool(await (await connection(database)).fetchval(_ASK_AGAIN, *known))

    async def give_up(self, database: str, before: datetime, reason: str) -> Sequence[str]:
        """Have those failed that were registered before that."""
        rows = await (await connection(database)).fetch(_GIVE_UP, before, reason)
        return [row["name"] for row in rows]
