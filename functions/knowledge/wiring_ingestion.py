"""The composition root of ingestion: its parsers, its connections and its pace are its own, not those of searches."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from functions.kit.database import UnitOfWork
from functions.kit.draining import on_drain
from functions.kit.egress import EgressPolicy
from functions.kit.errors import Forbidden
from functions.kit.runtime import Runtime
from functions.knowledge.adapters.gateway_models import GatewayModels
from functions.knowledge.adapters.http_fetcher import HttpFetcher
from functions.knowledge.adapters.objects import S3Storage
from functions.knowledge.adapters.outbox import OutboxEvents
from functions.knowledge.adapters.parsing.pool import ParseLimits, ParserPool
from functions.knowledge.adapters.postgres_chunks import PostgresChunkStore
from functions.knowledge.adapters.postgres_corpora import PostgresCorpora
from functions.knowledge.adapters.postgres_documents import PostgresDocuments
from functions.knowledge.adapters.postgres_embeddings import PostgresEmbeddings
from functions.knowledge.adapters.postgres_ingestions import PostgresIngestions
from functions.knowledge.adapters.workshop import workshop
from functions.knowledge.core.ingest import ClearObjects, Ingest, IngestionPolicy
from functions.knowledge.core.models import Space
from functions.knowledge.core.stages import Stages
from functions.knowledge.core.turns import IngestInTurns, TurnsPolicy

_NICE = 5


@dataclass(frozen=True, slots=True)
class Ingestion:
    """The use cases of the event function."""

    ingest: IngestInTurns
    clear: ClearObjects
    runtime: Runtime

    async def space_of(self, tenant_id: str | None) -> Space:
        """Where a tenant's knowledge is.

        Raises:
            Forbidden: there is no such tenant. One that is suspended keeps what it has, and goes on later.
        """
        tenant = await self.runtime.tenants.find(tenant_id) if tenant_id else None
        if tenant is None:
            raise Forbidden("there is no such tenant")
        return Space(tenant.id, tenant.database)


@asynccontextmanager
async def ingestion(runtime: Runtime) -> AsyncIterator[Ingestion]:
    """Wire it; the parsers end with the block."""
    settings = runtime.settings
    # Below searches on the same machine, as its parsers are; the process has nothing else to do.
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    egress = EgressPolicy.of(settings.egress_allow)
    limits = ParseLimits(
        seconds=settings.ingestion_parse_seconds,
        memory_bytes=settings.ingestion_parse_bytes,
        text_bytes=settings.ingestion_text_bytes,
    )
    parser = ParserPool(settings.ingestion_workers or os.cpu_count() or 1, limits)
    storage, events = S3Storage(runtime.objects), OutboxEvents()
    connector = aiohttp.TCPConnector(resolver=egress.resolver(), limit=20)
    outside = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    def begin() -> UnitOfWork:
        return UnitOfWork(runtime.databases)

    stages = Stages(
        begin,
        PostgresCorpora(),
        PostgresDocuments(),
        chunks=PostgresChunkStore(),
        storage=storage,
        parser=parser,
        models=GatewayModels(runtime.http, settings.edge_url, runtime.service_tokens),
        embeddings=PostgresEmbeddings(),
        fetcher=HttpFetcher(outside, egress),
        most_bytes=settings.ingestion_document_bytes,
    )
    policy = IngestionPolicy(lease_seconds=settings.ingestion_lease_seconds)
    ingestions = PostgresIngestions()
    with workshop() as folder:
        ingest = Ingest(
            begin, ingestions, PostgresCorpora(), stages=stages, events=events, policy=policy, workshop=folder
        )
        in_turns = IngestInTurns(ingest, begin, ingestions, events, TurnsPolicy())
        try:
            with on_drain(in_turns.stop):
                yield Ingestion(in_turns, ClearObjects(storage), runtime)
        finally:
            await parser.close()
            await outside.close()
