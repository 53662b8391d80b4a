"""The audit chains in the platform database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from functions.kit.database import APPEND_AUDIT, Databases, connection
from functions.platform.core.audit_models import AuditQuery, GrownChain, StoredCheckpoint, StoredRecord

# Any number that nothing else on the server locks.
_LOCK = 0x0DC0DE14
_COLUMNS = "chain, seq, at, action, resource, outcome, request_id, record, hash"
_CONDITIONS = (
    ("chain", "chain = {}"),
    ("actor", "actor = {}"),
    ("action", "action = {}"),
    ("resource", "starts_with(resource, {})"),
    ("outcome", "outcome = {}"),
    ("request_id", "request_id = {}"),
)
_CHECKPOINTS = """
    SELECT chain, size, document, published_at FROM audit.checkpoints
    WHERE chain = $1 AND ($3::bigint IS NULL OR size < $3) ORDER BY size DESC LIMIT $2
"""
_GROWN = """
    SELECT c.chain, c.size, k.document, k.frontier
    FROM audit.chains c LEFT JOIN LATERAL (
        SELECT size, document, frontier FROM audit.checkpoints k WHERE k.chain = c.chain ORDER BY size DESC LIMIT 1
    ) k ON true
    WHERE c.size <> coalesce(k.size, 0) AND ($1::text IS NULL OR c.chain = $1)
    ORDER BY c.chain
"""
_RECORDS = """
    SELECT seq, record, hash FROM audit.records WHERE chain = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT 1000
"""
_ENTER = (
    "INSERT INTO audit.checkpoints (chain, size, document, frontier) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
)
_UNPUBLISHED = """
    SELECT chain, size, document, published_at FROM audit.checkpoints WHERE published_at IS NULL
    ORDER BY chain, size LIMIT 10000
"""
_PUBLISHED = "UPDATE audit.checkpoints SET published_at = now() WHERE chain = $1 AND size = $2"


class PostgresAudit:
    """Port `AuditRecords`.

    Args:
        databases: searching has connections of its own: an export outlives its request's unit of work.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def append(self, chain: str, record: str) -> None:
        """Append within the unit of work."""
        await (await connection()).execute(APPEND_AUDIT, chain, record)

    async def search(self, query: AuditQuery, limit: int) -> list[StoredRecord]:
        """The newest records that match, newest first."""
        values: list[Any] = [query.start, query.end, limit]
        conditions = ["at >= $1", "at < $2"]
        for name, condition in _CONDITIONS:
            if (value := getattr(query, name)) is not None:
                values.append(value)
                conditions.append(condition.format(f"${len(values)}"))
        if query.before is not None:
            conditions.append(f"(at, chain, seq) < (${len(values) + 1}, ${len(values) + 2}, ${len(values) + 3})")
            values += query.before
        sql = (
            f"SELECT {_COLUMNS} FROM audit.records WHERE {' AND '.join(conditions)} "  # noqa: S608 - our own words
            "ORDER BY at DESC, chain DESC, seq DESC LIMIT $3"
        )
        async with self._databases.acquire() as session:
            return [StoredRecord(**dict(row)) for row in await session.fetch(sql, *values)]

    async def checkpoints(self, chain: str, limit: int, below: int | None) -> list[StoredCheckpoint]:
        """A chain's checkpoints, largest first."""
        async with self._databases.acquire() as session:
            return [StoredCheckpoint(**dict(row)) for row in await session.fetch(_CHECKPOINTS, chain, limit, below)]


class PostgresCheckpoints:
    """Port `CheckpointRegister`."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Whether nobody else makes checkpoints until the end of the block."""
        async with self._databases.acquire() as session:
            held = bool(await session.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK))
            try:
                yield held
            finally:
                if held:
                    await session.execute("SELECT pg_advisory_unlock($1)", _LOCK)

    async def grown(self, chain: str | None) -> list[GrownChain]:
        """The chains that differ from their newest checkpoint."""
        async with self._databases.acquire() as session:
            rows = await session.fetch(_GROWN, chain)
        return [GrownChain(row["chain"], row["size"], row["document"], row["frontier"] or ()) for row in rows]

    async def records(self, chain: str, after: int, to: int) -> AsyncIterator[tuple[int, str, bytes]]:
        """Place, record and hash of the records beyond a place, in order."""
        while after < to:
            async with self._databases.acquire() as session:
                rows = await session.fetch(_RECORDS, chain, after, to)
            for row in rows:
                yield row["seq"], row["record"], row["hash"]
            if not rows:
                return
            after = rows[-1]["seq"]

    async def enter(self, chain: str, size: int, document: str, frontier: Sequence[bytes]) -> None:
        """Enter a checkpoint, at once."""
        async with self._databases.acquire() as session:
            await session.execute(_ENTER, chain, size, document, list(frontier))

    async def unpublished(self) -> list[StoredCheckpoint]:
        """Those that the object store has not got yet."""
        async with self._databases.acquire() as session:
            return [StoredCheckpoint(**dict(row)) for row in await session.fetch(_UNPUBLISHED)]

    async def published(self, checkpoint: StoredCheckpoint) -> None:
        """Note that it has."""
        async with self._databases.acquire() as session:
            await session.execute(_PUBLISHED, checkpoint.chain, checkpoint.size)
