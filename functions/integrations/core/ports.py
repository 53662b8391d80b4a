"""What the context needs from the outside."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from functions.integrations.core.models import Json, McpServer, Registration, UpstreamAnswer, UpstreamRequest
from functions.kit.events import EventData


class McpServers(Protocol):
    """The tenants' servers, within the unit of work."""

    async def put(self, database: str, server: McpServer) -> McpServer:
        """Store a server; the one of the same name gives way and keeps its id and its `created_at`."""
        ...

    async def find(self, database: str, tenant_id: str, name: str) -> McpServer | None:
        """The server of that name."""
        ...

    async def all(self, database: str, tenant_id: str) -> Sequence[McpServer]:
        """All of a tenant, by name."""
        ...

    async def pending(self, database: str, besides: str) -> int:
        """How many servers wait for their document, not counting the one of that name."""
        ...

    async def remove(self, database: str, name: str) -> bool:
        """Remove it; False when there was none."""
        ...

    async def begin(self, database: str, registration: Registration) -> McpServer | None:
        """Note that its document is begun to be read; None when that is no longer waited for."""
        ...

    async def put_off(self, database: str, server: McpServer) -> None:
        """Note that what was begun has come to an end, and that somebody will begin again."""
        ...

    async def settle(self, database: str, server: McpServer) -> bool:
        """Store what came of reading a document, if it is still waited for; False when it no longer is."""
        ...


class Pending(Protocol):
    """Registrations of one tenant whose document is waited for, within the unit of work."""

    async def overdue(self, database: str, before: datetime) -> Sequence[Registration]:
        """Those that were asked for, and for the last time, before that; not those whose event has yet to be told."""
        ...

    async def ask_again(self, database: str, registration: Registration, before: datetime) -> bool:
        """Note that it is asked for again now; False when it is no longer overdue."""
        ...

    async def give_up(self, database: str, before: datetime, reason: str) -> Sequence[str]:
        """Have those failed that were registered before that; returns their names."""
        ...


class Events(Protocol):
    """Says what has become true."""

    def publish(self, data: EventData, tenant_id: str, database: str) -> None:
        """Say it if and only if the unit of work commits."""
        ...


class Documents(Protocol):
    """OpenAPI documents at addresses."""

    async def read(self, url: str) -> Json:
        """The document.

        Raises:
            DocumentAway: it cannot be had now.
            DocumentRefused: it is none, or there is none.
            EgressDenied: the address is not one the platform calls.
        """
        ...


class Queue(Protocol):
    """What background workers take their work from."""

    async def read_document(self, tenant_id: str, name: str, requested_at: datetime) -> None:
        """Have a server's document read.

        Raises:
            DependencyUnavailable: the queue is away; nothing was put into it, or nobody knows.
        """
        ...

    async def waiting(self, among: Collection[Registration]) -> Collection[Registration]:
        """Those of them that are in the queue, begun ones and those that are tried again among them.

        Raises:
            DependencyUnavailable: the queue is away.
        """
        ...


class Vault(Protocol):
    """Keeps the secrets for the APIs behind servers."""

    async def seal(self, tenant_id: str, server_id: str, secret: str) -> bytes:
        """Encrypt one."""
        ...

    async def open(self, server: McpServer) -> str:
        """The server's secret."""
        ...


class Egress(Protocol):
    """Which addresses may be called."""

    def check(self, url: str) -> None:
        """Let a public HTTPS address through, or one that the operator vouches for.

        Raises:
            EgressDenied: it is neither.
        """
        ...


class Upstream(Protocol):
    """Calls the API behind a server."""

    async def call(self, server: McpServer, request: UpstreamRequest) -> UpstreamAnswer:
        """Send a request with the server's own credential, and no other.

        Raises:
            ToolFailed: the API cannot be reached, is too slow, answers too much, or its token cannot be had.
            EgressDenied: the address is not one the platform calls.
        """
        ...
