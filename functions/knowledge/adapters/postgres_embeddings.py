"""Embeddings that were made before, in the tenant's database: little-endian float32 under the text's hash."""

from array import array
from collections.abc import Mapping, Sequence

from functions.kit.database import connection
from functions.knowledge.core.ingest_ports import Vector
from functions.knowledge.core.models import Space

_KNOWN = "SELECT hash, vector FROM embeddings WHERE model = $1 AND hash = ANY($2::bytea[])"
_KEEP = """
    INSERT INTO embeddings (model, hash, vector) SELECT $1, * FROM unnest($2::bytea[], $3::bytea[])
    ON CONFLICT DO NOTHING
"""


class PostgresEmbeddings:
    """Port `Embeddings`."""

    async def known(self, space: Space, model: str, hashes: Sequence[bytes]) -> Mapping[bytes, Vector]:
        """Those there are."""
        rows = await (await connection(space.database)).fetch(_KNOWN, model, list(hashes))
        return {bytes(row["hash"]): array("f", bytes(row["vector"])) for row in rows}

    async def keep(self, space: Space, model: str, vectors: Mapping[bytes, Vector]) -> None:
        """Keep some more."""
        # In the order of their hashes, so that two that keep the same ones wait for each other and not in a circle.
        hashes = sorted(vectors)
        stored = [array("f", vectors[each]).tobytes() for each in hashes]
        await (await connection(space.database)).execute(_KEEP, model, hashes, stored)
