"""What is left to do for documents, and who does it, in the tenant's database."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from functions.kit.database import Connection, connection
from functions.kit.identifiers import new_id
from functions.knowledge.adapters.rows import (
    CORPUS,
    DOCUMENT,
    INDEX,
    VERSION,
    Row,
    corpus_of,
    document_of,
    index_of,
    version_of,
)
from functions.knowledge.core.ingest_ports import Due, LeaseLost
from functions.knowledge.core.models import Index, Space, Stage, Work
from functions.knowledge.core.reasons import Reason

_OPEN = "status IN ('pending', 'running', 'waiting')"
_CAN_BE_TAKEN = f"""
    {_OPEN} AND (leased_until IS NULL OR leased_until < clock_timestamp())
    AND (retry_at IS NULL OR retry_at <= clock_timestamp())
"""
# Content that came with the request is stored already.
_TAKE = f"""
    UPDATE ingestions SET status = 'running', lease = $2, attempts = attempts + 1, retry_at = NULL,
        stage = CASE
            WHEN stage = 'store' AND EXISTS (
                SELECT FROM document_versions v WHERE v.id = version_id AND v.content_hash IS NOT NULL
            ) THEN 'parse' ELSE stage END,
        leased_until = clock_timestamp() + $3 * interval '1 second', updated_at = clock_timestamp()
    WHERE (version_id, index_id) = (
        SELECT version_id, index_id FROM ingestions
        WHERE document_id = $1 AND {_CAN_BE_TAKEN}
        ORDER BY version_id DESC, index_id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING version_id, index_id
"""  # noqa: S608
_WORK = """
    SELECT i.job_id::text, i.stage, i.attempts, i.waits, i.behalf, i.lease::text
    FROM ingestions i WHERE i.version_id = $1 AND i.index_id = $2
"""
_CORPUS = f"SELECT {CORPUS} FROM corpora c JOIN indexes x ON x.corpus_id = c.id WHERE x.id = $1"  # noqa: S608
_INDEX = f"SELECT {INDEX} FROM indexes x WHERE x.id = $1"  # noqa: S608
_DOCUMENT = f"""
    SELECT {DOCUMENT}, {VERSION}
    FROM document_versions v JOIN documents d ON d.id = v.document_id WHERE v.id = $1
"""  # noqa: S608
_DUE = f"""
    SELECT extract(epoch FROM min(greatest(leased_until, retry_at, clock_timestamp())) - clock_timestamp())::float8
    FROM ingestions WHERE document_id = $1 AND {_OPEN}
"""  # noqa: S608
_NEXT = f"""
    SELECT document_id::text, (SELECT corpus_id::text FROM indexes x WHERE x.id = index_id) AS corpus_id, job_id::text
    FROM ingestions WHERE {_CAN_BE_TAKEN} AND document_id <> ALL ($1::uuid[]) ORDER BY version_id LIMIT 1
    FOR UPDATE SKIP LOCKED
"""  # noqa: S608
_ANY_HELD = "SELECT EXISTS (SELECT FROM ingestions WHERE status = 'running' AND leased_until > clock_timestamp())"
_HELD = "version_id = $1 AND index_id = $2 AND lease = $3 AND status = 'running'"
_FREE = "lease = NULL, leased_until = NULL, updated_at = clock_timestamp()"
_RENEW = f"UPDATE ingestions SET leased_until = clock_timestamp() + $4 * interval '1 second' WHERE {_HELD}"  # noqa: S608
# The document first: who removes it holds it before its ingestions.
_HOLD_DOCUMENT = f"SELECT {DOCUMENT} FROM documents d WHERE d.id = $1 FOR SHARE"  # noqa: S608
_HOLD = f"SELECT FROM ingestions WHERE {_HELD} FOR UPDATE"
_ADVANCE = f"""
    UPDATE ingestions SET stage = $4, attempts = 0, waits = 0, updated_at = clock_timestamp() WHERE {_HELD}
"""  # noqa: S608
_FINISH = f"""
    UPDATE ingestions SET status = 'indexed', chunks = $4, reason = NULL, detail = NULL, {_FREE} WHERE {_HELD}
"""  # noqa: S608
_SUPERSEDE = f"UPDATE ingestions SET status = 'superseded', {_FREE} WHERE {_HELD}"  # noqa: S608
_FAIL = f"UPDATE ingestions SET status = 'failed', reason = $4, detail = $5, {_FREE} WHERE {_HELD}"  # noqa: S608
_POSTPONE = f"""
    UPDATE ingestions SET status = 'waiting', reason = $4, detail = $5, retry_at = $6, attempts = 0, waits = waits + 1,
        {_FREE}
    WHERE {_HELD}
"""  # noqa: S608
_RELEASE = f"UPDATE ingestions SET status = 'pending', {_FREE} WHERE {_HELD}"  # noqa: S608
_LACKS = """
    SELECT EXISTS (
        SELECT FROM documents d
        JOIN document_versions v ON v.document_id = d.id AND v.number = d.version
        LEFT JOIN ingestions mine ON mine.version_id = v.id AND mine.index_id = $1
        LEFT JOIN ingestions its ON its.version_id = v.id
            AND its.index_id = (SELECT active_index_id FROM corpora WHERE id = $2)
        WHERE d.corpus_id = $2 AND (
            mine.status IN ('pending', 'running', 'waiting')
            OR (its.status = 'indexed' AND mine.status IS DISTINCT FROM 'indexed')
        )
    )
"""


class PostgresIngestions:
    """Port `Ingestions`."""

    async def take(self, space: Space, document_id: str, seconds: float) -> Work | None:
        """Take something that is to be done for a document."""
        session = await connection(space.database)
        taken = await session.fetchrow(_TAKE, document_id, new_id(), seconds)
        if taken is None:
            return None
        row, corpus, index, found = [
            await _one(session, query, *keys)
            for query, *keys in (
                (_WORK, taken["version_id"], taken["index_id"]),
                (_CORPUS, taken["index_id"]),
                (_INDEX, taken["index_id"]),
                (_DOCUMENT, taken["version_id"]),
            )
        ]
        document = document_of(found)
        return Work(
            corpus=corpus_of(corpus),
            document=document,
            version=version_of(found, document.id),
            index=index_of(index),
            job_id=row["job_id"],
            lease=row["lease"],
            stage=Stage(row["stage"]),
            attempts=row["attempts"],
            waits=row["waits"],
            behalf=row["behalf"],
        )

    async def due_in(self, space: Space, document_id: str) -> float | None:
        """Seconds until there may be something to do again."""
        seconds: float | None = await (await connection(space.database)).fetchval(_DUE, document_id)
        return seconds

    async def next_due(self, space: Space, besides: Collection[str]) -> Due | None:
        """The tenant's oldest document that something can be done for now."""
        row = await (await connection(space.database)).fetchrow(_NEXT, list(besides))
        return None if row is None else Due(row["document_id"], row["corpus_id"], row["job_id"])

    async def held(self, space: Space) -> bool:
        """Whether anybody holds work of the tenant's."""
        return bool(await (await connection(space.database)).fetchval(_ANY_HELD))

    async def renew(self, space: Space, work: Work, seconds: float) -> None:
        """Go on holding the work."""
        await _write(space, work, _RENEW, seconds)

    async def hold(self, space: Space, work: Work) -> Work:
        """Hold the work and its document until the unit of work ends."""
        session = await connection(space.database)
        row = await session.fetchrow(_HOLD_DOCUMENT, work.document.id)
        if row is None or row["version"] > work.version.number:
            raise LeaseLost("the document was removed, or has a newer version")
        await _write(space, work, _HOLD)
        return replace(work, document=document_of(row))

    async def advance(self, space: Space, work: Work, stage: Stage) -> None:
        """Note that the stages before this one are done."""
        await _write(space, work, _ADVANCE, stage)

    async def finish(self, space: Space, work: Work, chunks: int) -> None:
        """Note that the index has the version."""
        await _write(space, work, _FINISH, chunks)

    async def supersede(self, space: Space, work: Work) -> None:
        """Note that a newer version takes its place."""
        await _write(space, work, _SUPERSEDE)

    async def fail(self, space: Space, work: Work, reason: Reason, detail: str) -> None:
        """Note that it cannot be done."""
        await _write(space, work, _FAIL, reason, detail.replace("\x00", ""))

    async def postpone(self, space: Space, work: Work, reason: Reason, detail: str, until: datetime) -> None:
        """Note what is waited for, and give the work back."""
        await _write(space, work, _POSTPONE, reason, detail.replace("\x00", ""), until)

    async def release(self, space: Space, work: Work) -> None:
        """Give the work back as it is."""
        session = await connection(space.database)
        await session.execute(_RELEASE, work.version.id, work.index.id, work.lease)

    async def lacks(self, space: Space, index: Index) -> bool:
        """Whether an index still lacks a document that the corpus's active one has."""
        return bool(await (await connection(space.database)).fetchval(_LACKS, index.id, index.corpus_id))


async def _one(session: Connection, query: str, *keys: object) -> Row:
    """A row that the one just written refers to."""
    row = await session.fetchrow(query, *keys)
    if row is None:
        raise LeaseLost("the document was removed")
    return row


async def _write(space: Space, work: Work, query: str, *values: object) -> None:
    session = await connection(space.database)
    done = await session.execute(query, work.version.id, work.index.id, work.lease, *values)
    if done.endswith(" 0"):
        raise LeaseLost("the work is somebody else's, or was cancelled")
