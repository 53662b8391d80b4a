"""What tenants have said of tools, and what became of calls, in the tenant's database."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict

import asyncpg
import orjson

from functions.agents.adapters.tools_events import ToolEvents
from functions.agents.core.tool_models import Space, ToolSetting
from functions.agents.core.tool_ports import CallRecord
from functions.agents.core.toolbox import ToolCall, ToolResult
from functions.kit.database import Databases, UnitOfWork, connection
from functions.kit.errors import DependencyUnavailable
from functions.kit.secrets import Place, SecretBox

_ALL = "SELECT name, enabled, allow_hosts FROM tool_settings"
_PUT = """
    INSERT INTO tool_settings (name, enabled, allow_hosts) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE
        SET enabled = excluded.enabled, allow_hosts = excluded.allow_hosts, updated_at = now()
"""
# Old ones go with new ones, a few at a time: by then nobody tries their calls again.
_BEGIN = """
    WITH forgotten AS (
        DELETE FROM tool_calls WHERE call_id IN (
            SELECT call_id FROM tool_calls WHERE began_at < now() - interval '30 days' AND call_id <> $1
            ORDER BY began_at LIMIT 10 FOR UPDATE SKIP LOCKED
        )
    )
    INSERT INTO tool_calls (call_id, execution_id, tool, digest, state, over_at)
    VALUES ($1, $2, $3, $4, 'running', now() + make_interval(secs => $5))
    ON CONFLICT DO NOTHING RETURNING true
"""
_KNOWN = """
    SELECT state, digest, result, extract(epoch FROM over_at - clock_timestamp())::float8 AS seconds_left
    FROM tool_calls WHERE call_id = $1
"""
_FINISH = """
    UPDATE tool_calls SET state = 'finished', result = $2, ended_at = now()
    WHERE call_id = $1 AND state = 'running' RETURNING true
"""
_WITHDRAW = "DELETE FROM tool_calls WHERE call_id = $1 AND state = 'running'"
_GIVE_UP = "UPDATE tool_calls SET state = 'unknown', ended_at = now() WHERE call_id = $1 AND state = 'running'"
# A result in hand is not let go because a database restarts.
_PAUSES = (0.2, 1.0, 3.0)
_logger = logging.getLogger(__name__)


class PostgresToolSettings:
    """Port `ToolSettings`."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def all(self, space: Space) -> Mapping[str, ToolSetting]:
        """Everything that the tenant has said."""
        async with self._databases.acquire(space.database) as session:
            return {row["name"]: _setting(row) for row in await session.fetch(_ALL)}

    async def find(self, space: Space, name: str) -> ToolSetting | None:
        """What it has said of one."""
        async with self._databases.acquire(space.database) as session:
            row = await session.fetchrow(f"{_ALL} WHERE name = $1", name)
        return _setting(row) if row else None

    async def put(self, space: Space, name: str, setting: ToolSetting) -> None:
        """Store what it says of one, within the unit of work."""
        session = await connection(space.database)
        await session.execute(_PUT, name, setting.enabled, list(setting.allow_hosts))


class PostgresToolCalls:
    """Port `ToolCalls`. Results are kept under the tenant's data key."""

    def __init__(self, databases: Databases, box: SecretBox, events: ToolEvents) -> None:
        self._databases = databases
        self._box = box
        self._events = events

    async def begin(self, space: Space, call: ToolCall, seconds: float) -> CallRecord:
        """Note that a call begins, or what is known of it already."""
        async with self._databases.acquire(space.database) as session:
            is_new = await session.fetchval(_BEGIN, call.call_id, call.execution_id, call.name, _digest(call), seconds)
        return CallRecord("new") if is_new else await self.known(space, call)

    async def known(self, space: Space, call: ToolCall) -> CallRecord:
        """What is known of a call that has begun; one that was withdrawn meanwhile counts as unknown."""
        async with self._databases.acquire(space.database) as session:
            row = await session.fetchrow(_KNOWN, call.call_id)
        if row is None:
            raise DependencyUnavailable("the call was withdrawn just now")
        result = None
        if row["result"] is not None:
            result = ToolResult(**orjson.loads(await self._box.decrypt(_place(space, call), row["result"])))
        return CallRecord(row["state"], row["digest"] == _digest(call), result, row["seconds_left"])

    async def finish(self, space: Space, call: ToolCall, result: ToolResult) -> bool:
        """Keep a call's result and have it told."""
        for pause in _PAUSES:
            try:
                return await self._finish(space, call, result)
            except DependencyUnavailable:
                _logger.warning("a tool's result waits for the database", extra={"call": call.call_id})
                await asyncio.sleep(pause)
        return await self._finish(space, call, result)

    async def withdraw(self, space: Space, call: ToolCall) -> None:
        """Forget a call of which nothing was done."""
        async with self._databases.acquire(space.database) as session:
            await session.execute(_WITHDRAW, call.call_id)

    async def give_up(self, space: Space, call: ToolCall) -> None:
        """Note that nobody will ever know what became of a call, unless it has finished."""
        async with self._databases.acquire(space.database) as session:
            await session.execute(_GIVE_UP, call.call_id)

    async def tell(self, space: Space, call: ToolCall, result: ToolResult) -> None:
        """Have the result of a call told that needs no record."""
        completed = await self._events.completed(space, call, result)
        async with UnitOfWork(self._databases) as work:
            work.emit(completed, database=space.database)

    async def _finish(self, space: Space, call: ToolCall, result: ToolResult) -> bool:
        sealed = await self._box.encrypt(_place(space, call), orjson.dumps(asdict(result)))
        completed = await self._events.completed(space, call, result)
        async with UnitOfWork(self._databases) as work:
            session = await work.connection(space.database)
            if not await session.fetchval(_FINISH, call.call_id, sealed):
                return False
            work.emit(completed, database=space.database)
        return True


def _setting(row: asyncpg.Record) -> ToolSetting:
    return ToolSetting(row["enabled"], tuple(row["allow_hosts"]))


def _digest(call: ToolCall) -> bytes:
    # Not orjson: it takes neither great integers nor halves of surrogates, which a model may well send.
    return hashlib.sha256(json.dumps([call.name, dict(call.arguments)], sort_keys=True).encode()).digest()


def _place(space: Space, call: ToolCall) -> Place:
    return Place(space.tenant_id, "tool_calls", call.call_id, "result")
