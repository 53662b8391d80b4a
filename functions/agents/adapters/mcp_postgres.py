"""MCP servers and their tools in the tenant's database."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import asyncpg

from functions.agents.core.mcp_models import Description, McpAuth, McpServer, McpTool
from functions.agents.core.tool_models import Space
from functions.kit.database import Databases, connection
from functions.kit.errors import Internal
from functions.kit.secrets import Place, SecretBox

_COLUMNS = """
    id::text, name, title, transport, target, auth, timeout_seconds, secret, created_at, updated_at, discovered_at,
    problem
"""
_FIND = f"SELECT {_COLUMNS} FROM agent_mcp_servers WHERE name = $1"  # noqa: S608
_ALL = f"SELECT {_COLUMNS} FROM agent_mcp_servers ORDER BY name"  # noqa: S608
_PUT = f"""
    INSERT INTO agent_mcp_servers
        (id, name, title, transport, target, auth, timeout_seconds, secret, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (name) DO UPDATE SET
        title = excluded.title, transport = excluded.transport, target = excluded.target, auth = excluded.auth,
        timeout_seconds = excluded.timeout_seconds, secret = excluded.secret, updated_at = excluded.updated_at
    RETURNING {_COLUMNS}
"""  # noqa: S608
_NOTE = """
    UPDATE agent_mcp_servers
    SET tried_at = now(), problem = $2, discovered_at = CASE WHEN $2 = '' THEN now() ELSE discovered_at END
    WHERE name = $1
"""
_CLAIM = """
    UPDATE agent_mcp_servers SET tried_at = now()
    WHERE name = $1 AND (tried_at IS NULL OR tried_at <= now() - make_interval(secs => $2)) RETURNING true
"""
_TOOLS = """
    SELECT s.name AS server, t.name, accepted, offered, present, changed_at, accepted_by
    FROM agent_mcp_tools t JOIN agent_mcp_servers s ON s.id = t.server_id
    WHERE ($1::text IS NULL OR s.name = $1) AND ($2::text IS NULL OR t.name = $2) ORDER BY s.name, t.name
"""
_PUT_TOOL = """
    INSERT INTO agent_mcp_tools (server_id, name, accepted, offered, present, changed_at, accepted_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (server_id, name) DO UPDATE SET
        accepted = excluded.accepted, offered = excluded.offered, present = excluded.present,
        changed_at = excluded.changed_at, accepted_by = excluded.accepted_by
"""


class PostgresMcpServers:
    """Port `McpServers`."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def find(self, space: Space, name: str) -> McpServer | None:
        """The server of that name."""
        async with self._databases.acquire(space.database) as session:
            return _server(space, await session.fetchrow(_FIND, name))

    async def all(self, space: Space) -> Sequence[McpServer]:
        """All of a tenant, by name."""
        async with self._databases.acquire(space.database) as session:
            rows = await session.fetch(_ALL)
        return [server for row in rows if (server := _server(space, row))]

    async def put(self, space: Space, server: McpServer) -> McpServer:
        """Store a server and hold it."""
        row = await (await connection(space.database)).fetchrow(
            _PUT,
            server.id,
            server.name,
            server.title,
            server.transport,
            server.target,
            asdict(server.auth),
            server.timeout_seconds,
            server.sealed,
            server.created_at,
            server.updated_at,
        )
        stored = _server(space, row)
        if stored is None:
            raise Internal("a server was stored and not returned")
        return stored

    async def remove(self, space: Space, name: str) -> bool:
        """Remove it with its tools."""
        query = "DELETE FROM agent_mcp_servers WHERE name = $1 RETURNING true"
        return bool(await (await connection(space.database)).fetchval(query, name))

    async def hold(self, space: Space, name: str) -> McpServer | None:
        """The server, held until the unit of work ends."""
        return _server(space, await (await connection(space.database)).fetchrow(f"{_FIND} FOR UPDATE", name))

    async def note(self, space: Space, server: McpServer, problem: str) -> None:
        """Note that a held server was asked for its tools just now."""
        await (await connection(space.database)).execute(_NOTE, server.name, problem.replace("\0", ""))

    async def tools(self, space: Space, server: str | None = None, name: str | None = None) -> Sequence[McpTool]:
        """The tools of a server, or of all, by name; or the one of a name."""
        async with self._databases.acquire(space.database) as session:
            return [_tool(row) for row in await session.fetch(_TOOLS, server, name)]

    async def held_tools(self, space: Space, server: McpServer) -> Sequence[McpTool]:
        """The tools of a held server."""
        return [_tool(row) for row in await (await connection(space.database)).fetch(_TOOLS, server.name, None)]

    async def put_tools(self, space: Space, server: McpServer, tools: Sequence[McpTool]) -> None:
        """Store tools of a held server."""
        rows = [
            (server.id, t.name, _document(t.accepted), _document(t.offered), t.present, t.changed_at, t.accepted_by)
            for t in tools
        ]
        await (await connection(space.database)).executemany(_PUT_TOOL, rows)

    async def forget_tools(self, space: Space, server: McpServer) -> None:
        """Remove all tools of a held server, and that it ever told them."""
        session = await connection(space.database)
        await session.execute("DELETE FROM agent_mcp_tools WHERE server_id = $1", server.id)
        await session.execute("UPDATE agent_mcp_servers SET discovered_at = NULL WHERE id = $1", server.id)

    async def claim(self, space: Space, name: str, seconds: float) -> bool:
        """Take it on to ask a server for its tools, unless somebody did within that time."""
        async with self._databases.acquire(space.database) as session:
            return bool(await session.fetchval(_CLAIM, name, seconds))


class EnvelopeVault:
    """Port `Vault`, under the tenant's data key; and what opens the secrets again."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    async def seal(self, tenant_id: str, name: str, secret: str) -> bytes:
        """Encrypt one, bound to its server."""
        return await self._box.encrypt(_place(tenant_id, name), secret.encode())

    async def open(self, server: McpServer) -> str:
        """The server's secret."""
        if server.sealed is None:
            raise Internal("the server has no secret")
        return (await self._box.decrypt(_place(server.tenant_id, server.name), server.sealed)).decode()


def _place(tenant_id: str, name: str) -> Place:
    return Place(tenant_id, "agent_mcp_servers", name, "secret")


def _server(space: Space, row: asyncpg.Record | None) -> McpServer | None:
    if row is None:
        return None
    fields = {name: row[name] for name in row.keys() if name not in {"auth", "secret"}}  # noqa: SIM118
    return McpServer(tenant_id=space.tenant_id, auth=McpAuth(**row["auth"]), sealed=row["secret"], **fields)


def _tool(row: asyncpg.Record) -> McpTool:
    accepted = row["accepted"]
    return McpTool(
        server=row["server"],
        name=row["name"],
        accepted=Description(**accepted) if accepted else None,
        offered=Description(**row["offered"]),
        present=row["present"],
        changed_at=row["changed_at"],
        accepted_by=row["accepted_by"],
    )


def _document(description: Description | None) -> Mapping[str, Any] | None:
    return asdict(description) if description else None
