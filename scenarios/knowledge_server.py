"""A Postgres with one tenant's knowledge, for measuring search without the rest of the platform around it."""

import dataclasses
import secrets
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from functions.kit.database import Databases, UnitOfWork, connection
from functions.kit.service_tokens import OnBehalf
from functions.knowledge.adapters.postgres_chunks import PostgresChunkStore
from functions.knowledge.adapters.postgres_search import PostgresSearch
from functions.knowledge.core.models import (
    Chunk,
    ChunkKind,
    Document,
    DocumentVersion,
    EmbeddedChunk,
    Index,
    IndexSettings,
    IndexStatus,
    Space,
)
from local.embedded.components.postgres import PROVISIONER, PostgresPlace, postgres
from stateful.postgres.cluster import Cluster
from stateful.postgres.histories import load_histories
from stateful.postgres.migrate import Migration, Options

MODEL = "measured/model"
BEHALF = OnBehalf("measured")
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Measured:
    """One document to be found: a single chunk."""

    text: str
    vector: Sequence[float]
    metadata: dict[str, Any]
    kind: ChunkKind = "text"


@dataclass(frozen=True)
class KnowledgeServer:
    """A tenant's database."""

    admin: str
    databases: Databases
    space: Space

    @property
    def search(self) -> PostgresSearch:
        """Search over it."""
        return PostgresSearch(self.databases)

    async def corpus(self) -> Index:
        """A new corpus with its index."""
        settings = IndexSettings(embedding_model=MODEL, language="en")
        index = Index(str(uuid.uuid4()), str(uuid.uuid4()), settings, IndexStatus.ACTIVE, None, _NOW, None)
        async with UnitOfWork(self.databases):
            database = await connection(self.space.database)
            await database.execute(
                "INSERT INTO corpora (id, name, active_index_id) VALUES ($1, $2, $3)",
                index.corpus_id, index.corpus_id, index.id,
            )  # fmt: skip
            await database.execute(
                "INSERT INTO indexes (id, corpus_id, settings, status) VALUES ($1, $2, $3, 'active')",
                index.id, index.corpus_id, dataclasses.asdict(settings),
            )  # fmt: skip
        return index

    async def fill(self, index: Index, measured: Sequence[Measured], *, per_document: int = 1) -> list[str]:
        """Store them, the graph built afterwards as a migration would; gives the chunks' ids in their order."""
        ids = [str(uuid.uuid4()) for _ in measured]
        length = len(measured[0].vector)
        admin = await asyncpg.connect(self.admin)
        try:
            definition = await admin.fetchval(
                "SELECT pg_get_indexdef(to_regclass($1)::oid)", f"chunk_vectors_dot_{length}"
            )
            await admin.execute(f"DROP INDEX chunk_vectors_dot_{length}")
            for start in range(0, len(measured), 500):
                async with UnitOfWork(self.databases):
                    for first in range(start, min(start + 500, len(measured)), per_document):
                        part = slice(first, first + per_document)
                        await self._add(index, measured[part], ids[part])
            await admin.execute("SET maintenance_work_mem = '512MB'")
            await admin.execute(definition)
            await admin.execute("VACUUM ANALYZE")
        finally:
            await admin.close()
        return ids

    async def _add(self, index: Index, measured: Sequence[Measured], ids: Sequence[str]) -> None:
        database = await connection(self.space.database)
        document = Document(
            str(uuid.uuid4()), index.corpus_id, ids[0], None, measured[0].metadata, (), 1, None, _NOW, _NOW
        )
        await database.execute(
            "INSERT INTO documents (id, corpus_id, name, metadata, version) VALUES ($1, $2, $3, $4, 1)",
            document.id, document.corpus_id, document.name, dict(document.metadata),
        )  # fmt: skip
        version = DocumentVersion(str(uuid.uuid4()), document.id, 1, "text/plain", None, None, _NOW)
        chunks = [
            EmbeddedChunk(
                Chunk(ids[at], document.id, 1, at, one.text, one.kind, 0, len(one.text), language="en"), one.vector
            )
            for at, one in enumerate(measured)
        ]

        async def batches() -> AsyncIterator[Sequence[EmbeddedChunk]]:
            yield chunks

        await PostgresChunkStore().replace_document(self.space, index, document, version, batches())


@asynccontextmanager
async def knowledge_server() -> AsyncIterator[KnowledgeServer]:
    """Start it in a folder of its own; nothing is left of it afterwards."""
    with _process() as (port, password):
        async with _opened(port, password) as server:
            yield server


@contextmanager
def _process() -> Iterator[tuple[int, str]]:
    """Its port and the provisioning role's password."""
    with tempfile.TemporaryDirectory(prefix="dcoder-knowledge-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        passwords = {"postgres": secrets.token_hex(16), PROVISIONER: secrets.token_hex(16)}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        component = postgres(PostgresPlace.below(Path(home)), port=port, passwords=passwords)
        component.prepare()
        with subprocess.Popen(
            component.command, cwd=component.folder, env=dict(component.environment), user=component.user,
            group=component.user, extra_groups=None if component.user is None else [],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                yield port, passwords[PROVISIONER]
            finally:
                process.send_signal(component.stop_signal)


@asynccontextmanager
async def _opened(port: int, password: str) -> AsyncIterator[KnowledgeServer]:
    address = f"postgresql://{PROVISIONER}:{password}@127.0.0.1:{port}"
    cluster = Cluster(f"{address}/postgres", f"postgresql://functions:functions@127.0.0.1:{port}/platform")
    await Migration(cluster, load_histories(), Options()).run()
    name = "tenant_" + "0" * 32
    admin = await asyncpg.connect(f"{address}/postgres")
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE tenant_template")
    await admin.close()

    async def credentials(_: str) -> tuple[str, str]:
        return PROVISIONER, password

    databases = Databases(f"{address}/platform", credentials=credentials, timeout=600)
    try:
        yield KnowledgeServer(f"{address}/{name}", databases, Space("measured", name))
    finally:
        await databases.close()
