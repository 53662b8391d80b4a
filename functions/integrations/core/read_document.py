"""Reads the document of a server that was registered by its address, and makes it the server's."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from functions.integrations.core.errors import DocumentAway, DocumentRefused
from functions.integrations.core.mcp_servers import Space, tools_of
from functions.integrations.core.models import McpServer, Registration, Tool
from functions.integrations.core.openapi_tools import OpenApiDocument
from functions.integrations.core.ports import Documents, McpServers
from functions.kit.errors import DcoderError

# Of what ends its worker, or takes longer than one may, more would be in vain and everybody's loss.
_MOST_BEGUN = 5
Outcome = Literal["ready", "failed", "superseded", "suspended"]


class ReadDocument:
    """Sound to repeat, also at the same time: the first to come to an end counts.

    Args:
        begin: opens a unit of work; none is open while the address is waited for.
    """

    def __init__(
        self,
        servers: McpServers,
        documents: Documents,
        begin: Callable[[], AbstractAsyncContextManager[Any]],
        now: Callable[[], datetime],
    ) -> None:
        self._servers = servers
        self._documents = documents
        self._begin = begin
        self._now = now

    async def __call__(self, space: Space, name: str, requested_at: datetime, *, is_last: bool) -> Outcome:
        """Read it and say what came of it.

        Args:
            requested_at: of the registration; of another one nothing is done.
            is_last: nobody tries again: also what may pass is a failure.

        Raises:
            DocumentAway: it cannot be had now, and somebody will try again.
            DependencyUnavailable: the database is away.
        """
        async with self._begin():
            server = await self._servers.begin(space.database, Registration(space.tenant_id, name, requested_at))
        if server is None:
            return "superseded"
        try:
            if server.begun > _MOST_BEGUN:
                raise DocumentRefused(f"it was begun to be read {_MOST_BEGUN} times and never came to an end")
            read = await self._read(server)
        except DocumentAway as error:
            if not is_last:
                async with self._begin():
                    await self._servers.put_off(space.database, server)
                raise
            read = self._failed(server, f"{error.message}, however often it was tried")
        except DcoderError as error:
            read = self._failed(server, error.message)
        async with self._begin():
            if not await self._servers.settle(space.database, read):
                return "superseded"
        return "ready" if read.state == "ready" else "failed"

    async def _read(self, server: McpServer) -> McpServer:
        document = await self._documents.read(str(server.document_url))
        tools = tools_of(OpenApiDocument(document), server.operations)
        before = tools_of(OpenApiDocument(server.document), server.operations) if server.document else {}
        now = self._now()
        return replace(
            server, document=document, state="ready", reason="", read_at=now, updated_at=now,
            changes=_changes(before, tools),
        )  # fmt: skip

    def _failed(self, server: McpServer, reason: str) -> McpServer:
        return replace(server, state="failed", reason=reason[:1000], updated_at=self._now())


def _changes(before: Mapping[str, Tool], now: Mapping[str, Tool]) -> tuple[str, ...]:
    """Names of tools that are new or other than before; none of a document that is read for the first time."""
    return tuple(sorted(name for name, tool in now.items() if tool != before.get(name))) if before else ()
