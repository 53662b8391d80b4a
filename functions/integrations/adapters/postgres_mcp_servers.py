"""MCP servers in the tenant's database."""

from collections.abc import Sequence
from dataclasses import asdict

import asyncpg

from functions.integrations.core.models import McpServer, Registration, UpstreamAuth
from functions.kit.database import connection
from functions.kit.errors import Internal

_COLUMNS = """
    id::text, name, title, description, document, base_url, operations, auth, secret, created_at, updated_at,
    document_url, state, reason, requested_at, read_at, changes, begun
"""
_PUT = f"""
    INSERT INTO mcp_servers (id, name, title, description, document, base_url, operations, auth, secret, created_at,
                             updated_at, document_url, state, requested_at, read_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (name) DO UPDATE SET
        -- Of two that register one name at once each has an id of its own, to which its secret is bound.
        id = excluded.id, title = excluded.title, description = excluded.description, document = excluded.document,
        base_url = excluded.base_url, operations = excluded.operations, auth = excluded.auth, secret = excluded.secret,
        updated_at = excluded.updated_at, document_url = excluded.document_url, state = excluded.state, reason = '',
        requested_at = excluded.requested_at, read_at = excluded.read_at, changes = '{{}}',
        reminded_at = NULL, begun = 0
    RETURNING {_COLUMNS}
"""  # noqa: S608
_BEGIN = f"""
    UPDATE mcp_servers SET begun = begun + 1 WHERE name = $1 AND requested_at = $2 AND state = 'pending'
    RETURNING {_COLUMNS}
"""  # noqa: S608
_PUT_OFF = "UPDATE mcp_servers SET begun = greatest(begun - 1, 0) WHERE id = $1 AND requested_at = $2"
_SETTLE = """
    UPDATE mcp_servers SET document = $3, state = $4, reason = $5, read_at = $6, changes = $7, updated_at = $8
    WHERE id = $1 AND requested_at = $2 AND state = 'pending' RETURNING true
"""
_FIND = f"SELECT {_COLUMNS} FROM mcp_servers WHERE name = $1"  # noqa: S608
_ALL = f"SELECT {_COLUMNS} FROM mcp_servers ORDER BY name"  # noqa: S608


class PostgresMcpServers:
    """Port `McpServers`."""

    async def put(self, database: str, server: McpServer) -> McpServer:
        """Store a server; the one of the same name gives way."""
        row = await (await connection(database)).fetchrow(
            _PUT,
            server.id,
            server.name,
            server.title,
            server.description,
            server.document,
            server.base_url,
            list(server.operations),
            asdict(server.auth),
            server.sealed,
            server.created_at,
            server.updated_at,
            server.document_url,
            server.state,
            server.requested_at,
            server.read_at,
        )
        if row is None:
            raise Internal("a server was stored and not returned")
        return _server(server.tenant_id, row)

    async def find(self, database: str, tenant_id: str, name: str) -> McpServer | None:
        """The server of that name."""
        row = await (await connection(database)).fetchrow(_FIND, name)
        return _server(tenant_id, row) if row else None

    async def all(self, database: str, tenant_id: str) -> Sequence[McpServer]:
        """All of a tenant, by name."""
        return [_server(tenant_id, row) for row in await (await connection(database)).fetch(_ALL)]

    async def pending(self, database: str, besides: str) -> int:
        """How many servers wait for their document, not counting the one of that name."""
        query = "SELECT count(*) FROM mcp_servers WHERE state = 'pending' AND name <> $1"
        return int(await (await connection(database)).fetchval(query, besides))

    async def remove(self, database: str, name: str) -> bool:
        """Remove it; False when there was none."""
        query = "DELETE FROM mcp_servers WHERE name = $1 RETURNING true"
        return bool(await (await connection(database)).fetchval(query, name))

    async def begin(self, database: str, registration: Registration) -> McpServer | None:
        """Note that its document is begun to be read; None when that is no longer waited for."""
        row = await (await connection(database)).fetchrow(_BEGIN, registration.name, registration.requested_at)
        return _server(registration.tenant_id, row) if row else None

    async def put_off(self, database: str, server: McpServer) -> None:
        """Note that what was begun has come to an end, and that somebody will begin again."""
        await (await connection(database)).execute(_PUT_OFF, server.id, server.requested_at)

    async def settle(self, database: str, server: McpServer) -> bool:
        """Store what came of reading a document, if it is still waited for; False when it no longer is."""
        return bool(
            await (await connection(database)).fetchval(
                _SETTLE,
                server.id,
                server.requested_at,
                server.document,
                server.state,
                server.reason,
                server.read_at,
                list(server.changes),
                server.updated_at,
            )
        )


def _server(tenant_id: str, row: asyncpg.Record) -> McpServer:
    return McpServer(
        id=row["id"],
        tenant_id=tenant_id,
        name=row["name"],
        title=row["title"],
        description=row["description"],
        document=row["document"],
        base_url=row["base_url"],
        operations=tuple(row["operations"]),
        auth=UpstreamAuth(**row["auth"]),
        sealed=row["secret"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        document_url=row["document_url"],
        state=row["state"],
        reason=row["reason"],
        requested_at=row["requested_at"],
        read_at=row["read_at"],
        changes=tuple(row["changes"]),
        begun=row["begun"],
    )
