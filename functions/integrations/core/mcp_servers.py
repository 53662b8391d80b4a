"""Manages a tenant's MCP servers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from functions.integrations.core.errors import McpServerNotFound, OpenApiRefused, TooManyPending, UpstreamSecretMissing
from functions.integrations.core.models import Json, McpServer, McpServerDraft, Tool
from functions.integrations.core.openapi_tools import OpenApiDocument
from functions.integrations.core.ports import Egress, Events, McpServers, Vault
from functions.kit.subjects import McpRequested

# Each may hold a worker, and so everybody else, for as long as its address is waited for.
MOST_PENDING = 20
_LATER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Space:
    """A tenant, and the database that is its own."""

    tenant_id: str
    database: str


class ManageMcpServers:
    """Registers, shows and removes them.

    Args:
        new_id: makes ids.
        now: tells the time.
    """

    def __init__(
        self,
        servers: McpServers,
        vault: Vault,
        egress: Egress,
        events: Events,
        *,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._servers = servers
        self._events = events
        self._vault = vault
        self._egress = egress
        self._new_id = new_id
        self._now = now

    async def put(self, space: Space, draft: McpServerDraft) -> McpServer:
        """Make the draft the server of its name.

        Raises:
            OpenApiRefused: the document, or an operation that is wanted of it, cannot be offered.
            EgressDenied: the API's address, or its token's, is not one the platform calls.
            UpstreamSecretMissing: it needs a secret and none is given or kept for this address and kind.
            TooManyPending: its document would be one too many to wait.
        """
        base_url = _base_url(draft)
        for url in filter(None, (base_url, draft.auth.token_url, draft.document_url)):
            self._egress.check(url)
        before = await self._servers.find(space.database, space.tenant_id, draft.name)
        server_id, now = before.id if before else self._new_id(), self._now()
        is_pending = draft.document is None
        if is_pending:
            if await self._servers.pending(space.database, draft.name) >= MOST_PENDING:
                raise TooManyPending(
                    f"{MOST_PENDING} documents of this tenant wait to be read; try again later",
                    retry_after=_LATER_SECONDS,
                )
            self._events.publish(
                McpRequested(tenant_id=space.tenant_id, name=draft.name, requested_at=now),
                space.tenant_id,
                space.database,
            )
        server = McpServer(
            id=server_id,
            tenant_id=space.tenant_id,
            name=draft.name,
            title=draft.title,
            description=draft.description,
            document=_serving_meanwhile(before, draft) if draft.document is None else draft.document,
            base_url=base_url,
            operations=draft.operations,
            auth=draft.auth,
            sealed=await self._secret(space, server_id, draft, base_url, before),
            created_at=now,
            updated_at=now,
            document_url=draft.document_url,
            state="pending" if is_pending else "ready",
            requested_at=now if is_pending else None,
            read_at=before.read_at if before and is_pending else None,
        )
        return await self._servers.put(space.database, server)

    async def get(self, space: Space, name: str) -> McpServer:
        """One server.

        Raises:
            McpServerNotFound: there is none of this name.
        """
        found = await self._servers.find(space.database, space.tenant_id, name)
        if found is None:
            raise McpServerNotFound("there is no such MCP server")
        return found

    async def all(self, space: Space) -> Sequence[McpServer]:
        """All of a tenant, by name."""
        return await self._servers.all(space.database, space.tenant_id)

    async def remove(self, space: Space, name: str) -> None:
        """Remove one.

        Raises:
            McpServerNotFound: there is none of this name.
        """
        if not await self._servers.remove(space.database, name):
            raise McpServerNotFound("there is no such MCP server")

    async def _secret(
        self, space: Space, server_id: str, draft: McpServerDraft, base_url: str, before: McpServer | None
    ) -> bytes | None:
        if draft.auth.kind == "none":
            return None
        if draft.secret is not None:
            return await self._vault.seal(space.tenant_id, server_id, draft.secret)
        # A stored secret goes nowhere but where it was given for: whoever may edit must not be able to lead it away.
        if before is None or before.sealed is None or _destinations(before) != _draft_destinations(draft, base_url):
            raise UpstreamSecretMissing("secret is needed: none is kept for this kind and address")
        return before.sealed


def _base_url(draft: McpServerDraft) -> str:
    if draft.document is None:
        # Whoever may change what is at the address must not be able to lead the secret away.
        if draft.base_url is None:
            raise OpenApiRefused("a document that is read from its address needs baseUrl", details={"field": "baseUrl"})
        return _plain(draft.base_url)
    document = OpenApiDocument(draft.document)
    tools_of(document, draft.operations)
    base_url = draft.base_url or document.base_url()
    if base_url is None:
        raise OpenApiRefused("the document names no absolute server: give baseUrl", details={"field": "baseUrl"})
    return _plain(base_url)


def _plain(base_url: str) -> str:
    """The address, below which paths can be put."""
    if re.search(r"[\x00-\x20\x7f?#]", base_url):
        raise OpenApiRefused("baseUrl must be an address without ? and #", details={"field": "baseUrl"})
    return base_url


def _serving_meanwhile(before: McpServer | None, draft: McpServerDraft) -> Json:
    """The document that was read before, where it is of the same address and has what is wanted; else none."""
    if before is None or before.document_url != draft.document_url or not before.document:
        return {}
    return before.document if set(draft.operations) <= set(before.operations) else {}


def tools_of(document: OpenApiDocument, operations: Sequence[str]) -> dict[str, Tool]:
    """The tools of the operations, by name.

    Raises:
        OpenApiRefused: an operation cannot be offered, or two would have the same name.
    """
    tools: dict[str, Tool] = {}
    for operation in operations:
        tool = document.tool(operation)
        if tool.name in tools:
            raise OpenApiRefused(
                f"operations {tools[tool.name].operation_id!r} and {operation!r} would both be called {tool.name!r}",
                details={"operation": operation},
            )
        tools[tool.name] = tool
    return tools


def _destinations(server: McpServer) -> tuple[object, ...]:
    return (server.auth.kind, server.auth.header, _origin(server.base_url), server.auth.token_url)


def _draft_destinations(draft: McpServerDraft, base_url: str) -> tuple[object, ...]:
    return (draft.auth.kind, draft.auth.header, _origin(base_url), draft.auth.token_url)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
