"""Jobs and what is left to do for them, in the tenant's database."""

from collections.abc import Mapping, Sequence
from typing import Any

from functions.kit.database import connection
from functions.knowledge.adapters.rows import PROGRESS, Row, progress_of, readable
from functions.knowledge.core.models import DocumentVersion, Index, Job, JobItem, Reader, Space, Status

_JOBS = """
    SELECT j.id::text, j.corpus_id::text, j.index_id::text, j.kind, j.created_by, j.created_at, j.cancelled_at,
           (SELECT jsonb_object_agg(counted.status, counted.documents)
            FROM (SELECT i.status, count(*) AS documents FROM ingestions i WHERE i.job_id = j.id GROUP BY 1) counted
           ) AS counts,
           ARRAY(SELECT DISTINCT w.reason FROM ingestions w WHERE w.job_id = j.id AND w.status = 'waiting' ORDER BY 1)
           AS waiting_for
    FROM jobs j
"""
_ADD = "INSERT INTO jobs (id, corpus_id, index_id, kind, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
_CANCEL = "UPDATE jobs SET cancelled_at = coalesce(cancelled_at, clock_timestamp()) WHERE id = $1"
# Whoever works on one of them holds a lease that is void from now on.
_CANCEL_ALL = """
    UPDATE ingestions SET status = 'cancelled', lease = NULL, leased_until = NULL, updated_at = clock_timestamp()
    WHERE job_id = $1 AND status IN ('pending', 'running', 'waiting')
"""
_AFRESH = """
    status = 'pending', attempts = 0, waits = 0, lease = NULL, leased_until = NULL, retry_at = NULL, reason = NULL,
    detail = NULL, updated_at = clock_timestamp()
"""
_ENQUEUE = f"""
    INSERT INTO ingestions (version_id, index_id, document_id, job_id, behalf)
    SELECT $1, index_id, $2, $4, $5 FROM unnest($3::uuid[]) AS index_id
    ON CONFLICT (version_id, index_id)
    DO UPDATE SET job_id = excluded.job_id, behalf = excluded.behalf, stage = 'store', {_AFRESH}
"""  # noqa: S608
_ENQUEUE_ALL = """
    INSERT INTO ingestions (version_id, index_id, document_id, job_id, behalf)
    SELECT v.id, $1, d.id, $3, $4
    FROM documents d JOIN document_versions v ON v.document_id = d.id AND v.number = d.version
    WHERE d.corpus_id = $2 ORDER BY d.id
    RETURNING document_id::text
"""
# Of a job, or of a document, whichever is given; only of newest versions: older ones nobody misses.
_RETRY = f"""
    UPDATE ingestions i SET {_AFRESH}
    FROM documents d, document_versions v
    WHERE d.id = i.document_id AND v.id = i.version_id AND v.number = d.version
      AND i.status IN ('failed', 'cancelled')
      AND ($1::uuid IS NULL OR i.job_id = $1) AND ($2::uuid IS NULL OR i.document_id = $2)
    RETURNING i.document_id::text
"""  # noqa: S608


class PostgresJobs:
    """Port `Jobs`."""

    async def add(self, space: Space, job: Job) -> None:
        """Enter a job."""
        await (await connection(space.database)).execute(
            _ADD, job.id, job.corpus_id, job.index_id, job.kind, job.created_by, job.created_at
        )

    async def find(self, space: Space, job_id: str) -> Job | None:
        """The job with its counts."""
        row = await (await connection(space.database)).fetchrow(f"{_JOBS} WHERE j.id = $1", job_id)
        return _job(row) if row else None

    async def page(
        self, space: Space, reader: Reader, corpus_id: str | None, limit: int, before: str | None
    ) -> Sequence[Job]:
        """The jobs on corpora that a reader may read, newest first."""
        query = f"""
            {_JOBS} JOIN corpora c ON c.id = j.corpus_id
            WHERE {readable(1, 2, "c")} AND ($3::uuid IS NULL OR j.corpus_id = $3) AND ($4::uuid IS NULL OR j.id < $4)
            ORDER BY j.id DESC LIMIT $5
        """
        session = await connection(space.database)
        rows = await session.fetch(query, reader.everything, list(reader.groups), corpus_id, before, limit)
        return [_job(row) for row in rows]

    async def items(
        self,
        space: Space,
        reader: Reader,
        job_id: str,
        *,
        status: Status | None,
        limit: int,
        after: tuple[str, str] | None,
    ) -> Sequence[JobItem]:
        """A job's documents that a reader may read, in the order of their ids."""
        query = f"""
            SELECT d.id::text, d.name, v.number, i.index_id::text, {PROGRESS}, i.updated_at
            FROM ingestions i JOIN documents d ON d.id = i.document_id JOIN document_versions v ON v.id = i.version_id
            WHERE i.job_id = $1 AND ($2::boolean OR d.groups = '{{}}' OR d.groups && $3::text[])
              AND ($4::text IS NULL OR i.status = $4)
              AND ($5::uuid IS NULL OR (i.document_id, i.index_id) > ($5, $6::uuid))
            ORDER BY i.document_id, i.index_id LIMIT $7
        """  # noqa: S608
        session = await connection(space.database)
        document, index = after or (None, None)
        rows = await session.fetch(
            query, job_id, reader.everything, list(reader.groups), status, document, index, limit
        )
        return [
            JobItem(row["id"], row["name"], row["number"], row["index_id"], progress_of(row), row["updated_at"])
            for row in rows
        ]

    async def cancel(self, space: Space, job_id: str) -> None:
        """End all of a job that is not over."""
        session = await connection(space.database)
        await session.execute(_CANCEL, job_id)
        await session.execute(_CANCEL_ALL, job_id)

    async def enqueue(
        self,
        space: Space,
        version: DocumentVersion,
        indexes: Sequence[Index],
        job_id: str | None,
        behalf: Mapping[str, Any],
    ) -> None:
        """Have a version ingested into the indexes."""
        ids = [index.id for index in indexes]
        session = await connection(space.database)
        await session.execute(_ENQUEUE, version.id, version.document_id, ids, job_id, behalf)

    async def enqueue_all(self, space: Space, index: Index, job_id: str, behalf: Mapping[str, Any]) -> Sequence[str]:
        """Have every document of the corpus ingested into an index."""
        session = await connection(space.database)
        rows = await session.fetch(_ENQUEUE_ALL, index.id, index.corpus_id, job_id, behalf)
        return [row["document_id"] for row in rows]

    async def retry(self, space: Space, *, job_id: str | None = None, document_id: str | None = None) -> Sequence[str]:
        """Have what failed or was cancelled done again."""
        rows = await (await connection(space.database)).fetch(_RETRY, job_id, document_id)
        return sorted({row["document_id"] for row in rows})


def _job(row: Row) -> Job:
    counts = {Status(name): count for name, count in (row["counts"] or {}).items()}
    return Job(
        row["id"],
        row["corpus_id"],
        row["index_id"],
        row["kind"],
        counts,
        row["created_by"],
        row["created_at"],
        row["cancelled_at"],
        row["waiting_for"],
    )
