"""The composition root of what is done in the background: the queue, and what workers do with what is in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import aiohttp
from pydantic import ConfigDict

from functions.integrations.adapters.celery_queue import CeleryQueue
from functions.integrations.adapters.document_http import HttpDocuments
from functions.integrations.adapters.outbox import OutboxEvents
from functions.integrations.adapters.postgres_mcp_servers import PostgresMcpServers
from functions.integrations.adapters.postgres_pending import PostgresPending
from functions.integrations.adapters.upstream_http import HttpEgress
from functions.integrations.core.mcp_servers import Space
from functions.integrations.core.ports import Queue
from functions.integrations.core.read_document import Outcome, ReadDocument
from functions.integrations.core.remind import GIVEN_UP, RemindOfDocuments
from functions.kit.clock import utc_now
from functions.kit.context import RequestContext, serving
from functions.kit.database import UnitOfWork
from functions.kit.database_directory import every_database
from functions.kit.egress import EgressPolicy
from functions.kit.models import ApiModel
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings


class DocumentAsked(ApiModel):
    """What a task is told. One that a newer worker has put back may say more."""

    model_config = ConfigDict(extra="ignore")

    tenant_id: str
    name: str
    requested_at: datetime
    request_id: str = ""
    traceparent: str = ""
    # Tries that came to nothing for what is not the address's doing.
    waits: int = 0

    @property
    def is_given_up(self) -> bool:
        """Whether the registration is so old that it has failed, or will have at the next look."""
        return utc_now() - self.requested_at > GIVEN_UP


@asynccontextmanager
async def queue(runtime: Runtime) -> AsyncIterator[Queue]:
    """Where work for the background is put."""
    queue = CeleryQueue(runtime.settings.queue_url.get_secret_value())
    try:
        yield queue
    finally:
        await queue.close()


@asynccontextmanager
async def reminder(runtime: Runtime) -> AsyncIterator[RemindOfDocuments]:
    """What asks again for documents that nobody comes to read."""
    async with every_database(runtime) as (each, databases), queue(runtime) as waiting:
        yield RemindOfDocuments(
            each, PostgresPending(), waiting, OutboxEvents(), begin=lambda: UnitOfWork(databases), now=utc_now
        )


async def read_document(settings: Settings, asked: DocumentAsked, *, is_last: bool) -> Outcome:
    """Do one task, with connections of its own, under the request and the trace that it came from.

    Raises:
        DocumentAway: the document cannot be had now.
        DependencyUnavailable: the database is away.
    """
    runtime = Runtime(settings)
    policy = EgressPolicy.of(settings.egress_allow)
    connector = aiohttp.TCPConnector(resolver=policy.resolver(), limit=1)
    context = RequestContext(asked.request_id, asked.traceparent, settings.platform_id)
    try:
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        ) as session:
            with serving(context):
                tenant = await runtime.tenants.find(asked.tenant_id)
                if tenant is None:
                    return "superseded"
                if tenant.status != "active":
                    # Nothing is asked for its sake. It stays pending, and the reminder has it tried again.
                    return "suspended"
                read = ReadDocument(
                    PostgresMcpServers(),
                    HttpDocuments(session, HttpEgress(policy)),
                    lambda: UnitOfWork(runtime.databases),
                    utc_now,
                )
                return await read(Space(tenant.id, tenant.database), asked.name, asked.requested_at, is_last=is_last)
    finally:
        await runtime.close()
