"""What flags need from the outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from functions.kit.flag_document import DefaultState, FlagDocument, OverrideState
from functions.kit.subjects import FlagUpdated


class FlagStore(Protocol):
    """Where flags are kept: Postgres, or a Flagsmith server."""

    async def hold(self) -> None:
        """Keep other writers out until the unit of work ends.

        Raises:
            DependencyUnavailable: nothing can be changed now.
        """
        ...

    async def latest(self) -> FlagDocument:
        """All flags, with what this unit of work has changed; what was known last where the store is away."""
        ...

    async def change_defaults(self, known: FlagDocument, changes: Mapping[str, DefaultState | None]) -> None:
        """Set flags for everybody; None takes one back to what is declared.

        Args:
            known: what `latest` gave under the hold.

        Raises:
            DependencyUnavailable: the store is away.
        """
        ...

    async def change_overrides(
        self, known: FlagDocument, tenant_id: str, changes: Mapping[str, OverrideState | None]
    ) -> None:
        """Set flags for a tenant; None takes its override away.

        Raises:
            DependencyUnavailable: the store is away.
        """
        ...


class Refreshable(Protocol):
    """The flags as this process follows them."""

    @property
    def document(self) -> FlagDocument:
        """What is known."""
        ...

    async def refresh(self) -> FlagDocument:
        """What the source says now.

        Raises:
            DependencyUnavailable: it is away.
        """
        ...


class TenantPresence(Protocol):
    """Whether tenants exist, from memory where possible."""

    async def exists(self, tenant_id: str) -> bool:
        """Whether there is such a tenant.

        Raises:
            DependencyUnavailable: that cannot be told now.
        """
        ...


class FlagEvents(Protocol):
    """The event bus."""

    def publish(self, update: FlagUpdated) -> None:
        """Say it if and only if the unit of work commits."""
        ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told of changes, and the secret that signs what is sent."""

    url: str
    secret: str = field(repr=False)
    created_at: datetime
    updated_at: datetime


class Webhooks(Protocol):
    """The addresses that tenants have registered, within the unit of work."""

    async def find(self, tenant_id: str) -> Webhook | None:
        """The tenant's, if it has one."""
        ...

    async def put(self, tenant_id: str, webhook: Webhook) -> None:
        """Register it, in place of another."""
        ...

    async def remove(self, tenant_id: str) -> bool:
        """Forget it; whether there was one."""
        ...


class WebhookSender(Protocol):
    """Sends to addresses of others, as far as the egress policy lets it."""

    def check(self, url: str) -> None:
        """Let an address through.

        Raises:
            WebhookAddressRefused: it is not one the platform calls.
        """
        ...

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """POST once.

        Raises:
            WebhookAddressRefused: the address is not one the platform calls.
            WebhookUndelivered: the receiver did not answer with 2xx in time.
        """
        ...
