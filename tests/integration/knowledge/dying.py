"""Ingests documents in processes that kill themselves: `python -m tests.integration.knowledge.dying TENANT CORPUS`.

For each unit of work there is one process that dies right before it commits and one that dies right after, on a
document of its own; then another finishes them all. A mother process imports everything once and forks them. Parsers
run in these processes themselves, so that there is none that outlives them.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from functions.kit.database import UnitOfWork
from functions.kit.egress import EgressPolicy
from functions.kit.events import EventData
from functions.kit.principal import Role
from functions.kit.runtime import Runtime, shared_runtime
from functions.kit.service_tokens import OnBehalf
from functions.knowledge.adapters.gateway_models import GatewayModels
from functions.knowledge.adapters.http_fetcher import HttpFetcher
from functions.knowledge.adapters.objects import S3Storage
from functions.knowledge.adapters.outbox import OutboxEvents
from functions.knowledge.adapters.parsing import chunking, reading
from functions.knowledge.adapters.postgres_chunks import PostgresChunkStore
from functions.knowledge.adapters.postgres_corpora import PostgresCorpora
from functions.knowledge.adapters.postgres_documents import PostgresDocuments
from functions.knowledge.adapters.postgres_embeddings import PostgresEmbeddings
from functions.knowledge.adapters.postgres_ingestions import PostgresIngestions
from functions.knowledge.adapters.postgres_jobs import PostgresJobs
from functions.knowledge.adapters.workshop import workshop
from functions.knowledge.core.access import Caller
from functions.knowledge.core.add_document import AddDocument, NewDocument
from functions.knowledge.core.ingest import Ingest, IngestionPolicy, IngestionWaits
from functions.knowledge.core.models import ChunkSettings, Reader, Space
from functions.knowledge.core.stages import Stages
from functions.knowledge.documents.schemas import whole

# So long that no holder has to say in between that it lives: that is a unit of work, too, and would be counted.
LEASE_SECONDS = 5.0
MOST_COMMITS = 16

Answer = TypeVar("Answer")


class Silent:
    """Port `Events`, for documents that the platform's own ingestion is not to hear of."""

    def publish(self, data: EventData, space: Space) -> None:
        """Say nothing."""


class Here:
    """Port `Parser`, in this process."""

    async def parse(self, folder: Path, name: str, media_type: str, settings: ChunkSettings, *, tenant_id: str) -> None:
        reading.read(folder, name, media_type, reading.Bounds(1 << 20, 1 << 20))
        chunking.cut_files(folder, settings)

    async def cut(self, folder: Path, settings: ChunkSettings, *, tenant_id: str) -> None:
        chunking.cut_files(folder, settings)


class Dying:
    """Begins units of work, and kills the process before or after the commit of one of them."""

    def __init__(self, runtime: Runtime, at: int | None, *, before: bool) -> None:
        self._runtime = runtime
        self._at = at
        self._before = before
        self.count = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        async with UnitOfWork(self._runtime.databases):
            yield
            self.count += 1
            if self.count == self._at and self._before:
                os.kill(os.getpid(), signal.SIGKILL)
        if self.count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def ingesting(begin: Dying, runtime: Runtime) -> AsyncIterator[Ingest]:
    async with aiohttp.ClientSession() as http:
        stages = Stages(
            begin,
            PostgresCorpora(),
            PostgresDocuments(),
            chunks=PostgresChunkStore(),
            storage=S3Storage(runtime.objects),
            parser=Here(),
            models=GatewayModels(http, runtime.settings.edge_url, runtime.service_tokens),
            embeddings=PostgresEmbeddings(),
            fetcher=HttpFetcher(http, EgressPolicy()),
            most_bytes=1 << 20,
        )
        policy = IngestionPolicy(lease_seconds=LEASE_SECONDS)
        with workshop() as folder:
            yield Ingest(
                begin,
                PostgresIngestions(),
                PostgresCorpora(),
                stages=stages,
                events=OutboxEvents(),
                policy=policy,
                workshop=folder,
            )


async def added(tenant_id: str, corpus_id: str, names: Sequence[str]) -> list[str]:
    """Documents of three chunks that only these processes know of."""
    async with shared_runtime() as runtime:
        space = await space_of(runtime, tenant_id)
        add = AddDocument(
            PostgresCorpora(),
            PostgresDocuments(),
            PostgresJobs(),
            storage=S3Storage(runtime.objects),
            events=Silent(),
            most_bytes=1 << 20,
            link_seconds=60,
        )
        caller = Caller(space, Reader(everything=True), OnBehalf(tenant_id, roles=frozenset({Role.ADMIN})), "dying")
        made = []
        for name in names:
            content = "".join(f"# Part {part}\n\n{name} tells of light number {part}.\n\n" for part in range(3))
            async with UnitOfWork(runtime.databases):
                wanted = NewDocument(corpus_id, name)
                made.append((await add.with_content(caller, wanted, whole(content.encode()))).state.document.id)
        return made


async def ingested(tenant_id: str, document_ids: Sequence[str], at: int | None, *, before: bool) -> int:
    """Ingest documents, or die on the way; returns how many units of work it took."""
    async with shared_runtime() as runtime:
        begin = Dying(runtime, at, before=before)
        async with ingesting(begin, runtime) as ingest:
            for document_id in document_ids:
                await until_over(ingest, await space_of(runtime, tenant_id), document_id)
        return begin.count


async def until_over(ingest: Ingest, space: Space, document_id: str) -> None:
    while True:
        try:
            return await ingest(space, document_id)
        except IngestionWaits as waiting:
            await asyncio.sleep(waiting.retry_after or 0)


async def space_of(runtime: Runtime, tenant_id: str) -> Space:
    tenant = await runtime.tenants.find(tenant_id)
    assert tenant is not None
    return Space(tenant.id, tenant.database)


def in_child(work: Coroutine[Any, Any, Answer]) -> tuple[int, Answer | None]:
    """Run something in a fork; returns the signal that ended it, and what it told."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.write(write, json.dumps(asyncio.run(work)).encode())
            status = 0
        finally:
            os._exit(status)
    work.close()
    os.close(write)
    with os.fdopen(read) as told:
        answer = told.read()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return -ended, json.loads(answer) if answer else None


def main() -> None:
    """Print as JSON: what signal ended each process, by document; how many units of work it takes; how all ended."""
    tenant_id, corpus_id = sys.argv[1:]
    reading.preload()
    points = [(at, before) for at in range(1, MOST_COMMITS) for before in (True, False)]
    _, documents = in_child(added(tenant_id, corpus_id, [f"{at}-{before}.md" for at, before in points]))
    deaths: dict[str, int] = {}
    commits = None
    for document_id, (at, before) in zip(documents or [], points, strict=True):
        died, commits = in_child(ingested(tenant_id, [document_id], at, before=before))
        if commits is not None:
            break
        deaths[document_id] = died
    failed, _ = in_child(ingested(tenant_id, list(deaths), None, before=False))
    sys.stdout.write(json.dumps({"deaths": deaths, "commits": commits, "failed": failed}))


if __name__ == "__main__":
    main()
