"""The composition root of the limits' use cases, which need nothing of the rest of the context."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.runtime import Runtime
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_quotas import PostgresQuotas
from functions.platform.core.quotas import GetQuotas, PutQuotas


@dataclass(frozen=True, slots=True)
class Limits:
    """The use cases."""

    get: GetQuotas
    put: PutQuotas


@asynccontextmanager
async def limits(_: Runtime) -> AsyncIterator[Limits]:
    """Wire them; all they do is done within the request's unit of work."""
    quotas, events = PostgresQuotas(), OutboxEvents()
    yield Limits(GetQuotas(quotas), PutQuotas(quotas, lambda data: events.publish(data, data.tenant_id)))
