"""MCP servers in the tenant's database."""

from collections.abc import Sequence
from dataclasses import asdict

import asyncpg

from functions.integrations.core.models import McpServer, UpstreamAuth
from functions.kit.database import connection
from functions.kit.errors import Internal

_COLUMNS = "id::text, name, title, description, document, base_url, operations, auth, secret, created_at, updated_at"
_PUT = f"""
    INSERT INTO mcp_servers (id, name, title, description, document, base_url, operations, auth, secret, created_at,
                             updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (name) DO UPDATE SET
        title = excluded.title, description = excluded.description, document = excluded.document,
        base_url = excluded.base_url, operations = excluded.operations, auth = excluded.auth, secret = excluded.secret,
        updated_at = excluded.updated_at
    RETURNING {_COLUMNS}
"""  # noqa: S608
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

    async def remove(self, database: str, name: str) -> bool:
        """Remove it; False when there was none."""
        query = "DELETE FROM mcp_servers WHERE name = $1 RETURNING true"
        return bool(await (await connection(database)).fetchval(query, name))


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
    )
