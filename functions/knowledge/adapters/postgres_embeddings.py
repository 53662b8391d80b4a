"""Embeddings that were made before, in the tenant's database: little-endian float32 under the text's hash."""

from array import array
from collections.abc import Mapping, Sequence

from functions.kit.database import connection
from functions.knowledge.core.ingest_ports import Vector
from functions.knowledge.core.models import Space

# Which day an embedding was asked for last is written once a day, and never waited for.
_KNOWN = """
    WITH asked AS (
        SELECT model, hash FROM embeddings
        WHERE model = $1 AND hash = ANY ($2::bytea[]) AND used_on < current_date FOR UPDATE SKIP LOCKED
    ), noted AS (
        UPDATE embeddings e SET used_on = current_date FROM asked a WHERE e.model = a.model AND e.hash = a.hash
    )
    SELECT hash, vector FROM embeddings WHERE model = $1 AND hash = ANY ($2::bytea[])
"""
_KEEP = """
    INSERT INTO embeddings (model, hash, vector) SELECT $1, * FROM unnest($2::bytea[], $3::bytea[])
    ON CONFLICT DO NOTHING
"""
# More than a batch adds, so that what is old goes as long as something new comes.
_FORGET = """
    DELETE FROM embeddings WHERE (model, hash) IN (
        SELECT model, hash FROM embeddings WHERE used_on < current_date - 30 ORDER BY used_on LIMIT 200
        FOR UPDATE SKIP LOCKED
    )
"""


class PostgresEmbeddings:
    """Port `Embeddings`."""

    async def known(self, space: Space, model: str, hashes: Sequence[bytes]) -> Mapping[bytes, Vector]:
        """Those there are."""
        rows = await (await connection(space.database)).fetch(_KNOWN, model, list(hashes))
        return {bytes(row["hash"]): array("f", bytes(row["vector"])) for row in rows}

    async def keep(self, space: Space, model: str, vectors: Mapping[bytes, Vector]) -> None:
        """Keep some more, and forget some that were not asked for during 30 days."""
        # In the order of their hashes, so that two that keep the same ones wait for each other and not in a circle.
        hashes = sorted(vectors)
        stored = [array("f", vectors[each]).tobytes() for each in hashes]
        session = await connection(space.database)
        await session.execute(_KEEP, model, hashes, stored)
        await session.execute(_FORGET)
