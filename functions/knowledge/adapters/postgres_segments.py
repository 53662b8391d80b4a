"""Postings in segments: appended by each writer, merged when there are many, cleared of what was removed."""

from collections.abc import Iterable, Sequence

import numpy as np

from functions.kit.database import Connection
from functions.knowledge.core.postings import Numbers, encode, without

# So many segments of a level become one of the next; of those as large as this nothing more is made.
_FANOUT = 16
_LARGEST = 50_000
# Postings are cleared when removed chunks are more than this share of an index, and many.
_REMOVED_SHARE = 0.25
_REMOVED_LEAST = 2_000
_ROWS_AT_ONCE = 2_000

_ADD_SEGMENT = """
    INSERT INTO segments (index_id, level, chunks, length, languages) VALUES ($1, $2, $3, $4, $5) RETURNING id
"""
_ADD_POSTINGS = """
    INSERT INTO postings (index_id, segment_id, term, entries) SELECT $1, $2, * FROM unnest($3::text[], $4::bytea[])
"""
# Those that another writer is just merging are skipped: they are gone when it commits, and back when it does not.
_MERGEABLE = """
    SELECT id, chunks, length, languages FROM segments WHERE index_id = $1 AND level = $2 AND chunks < $3
    ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED
"""
_MERGE = """
    WITH former AS (DELETE FROM postings WHERE segment_id = ANY($2) RETURNING term, entries)
    INSERT INTO postings (index_id, segment_id, term, entries)
    SELECT $1, $3, term, string_agg(entries, ''::bytea) FROM former GROUP BY term
"""
_REMOVED = """
    SELECT coalesce((SELECT sum(chunks) FROM removals WHERE index_id = $1), 0)::bigint AS removed,
           coalesce((SELECT sum(chunks) FROM segments WHERE index_id = $1), 0)::bigint AS added
"""
_NEXT_ROWS = """
    SELECT term, entries FROM postings WHERE index_id = $1 AND segment_id = $2 AND term > $3
    ORDER BY term LIMIT $4
"""
_REWRITE = """
    UPDATE postings p SET entries = n.entries FROM unnest($3::text[], $4::bytea[]) AS n(term, entries)
    WHERE p.index_id = $1 AND p.segment_id = $2 AND p.term = n.term
"""


async def append(
    connection: Connection, index_id: str, chunks: Sequence[tuple[int, Sequence[str]]], languages: Iterable[str]
) -> None:
    """Add postings of new chunks, given as number and terms, as a segment of their own."""
    postings = encode(chunks)
    length = sum(len(terms) for _, terms in chunks)
    segment = await connection.fetchval(_ADD_SEGMENT, index_id, 0, len(chunks), length, sorted(set(languages)))
    await connection.execute(_ADD_POSTINGS, index_id, segment, list(postings), list(postings.values()))


async def remove(connection: Connection, index_id: str, chunks: Sequence[tuple[int, int]]) -> None:
    """Note that chunks, given as number and length, are gone: their entries do not count any more."""
    numbers = np.array([number for number, _ in chunks], dtype="<u4").tobytes()
    await connection.execute(
        "INSERT INTO removals (index_id, chunks, length, numbers) VALUES ($1, $2, $3, $4)",
        index_id, len(chunks), sum(length for _, length in chunks), numbers,
    )  # fmt: skip


async def tidy(connection: Connection, index_id: str) -> None:
    """Keep segments few and mostly of living chunks; cheap when there is nothing to do."""
    level = 0
    while await _merge(connection, index_id, level):
        level += 1
    row = await connection.fetchrow(_REMOVED, index_id)
    if row and row["removed"] > max(_REMOVED_LEAST, _REMOVED_SHARE * row["added"]):
        await _clear(connection, index_id)


async def _merge(connection: Connection, index_id: str, level: int) -> bool:
    former = await connection.fetch(_MERGEABLE, index_id, level, _LARGEST, _FANOUT)
    if len(former) < _FANOUT:
        return False
    languages = sorted({language for row in former for language in row["languages"]})
    chunks, length = sum(row["chunks"] for row in former), sum(row["length"] for row in former)
    segment = await connection.fetchval(_ADD_SEGMENT, index_id, level + 1, chunks, length, languages)
    ids = [row["id"] for row in former]
    await connection.execute(_MERGE, index_id, ids, segment)
    await connection.execute("DELETE FROM segments WHERE id = ANY($1)", ids)
    return True


async def _clear(connection: Connection, index_id: str) -> None:
    """Take removed chunks out of the postings, unless somebody else is at work on the segments."""
    held = await connection.fetch("SELECT id FROM segments WHERE index_id = $1 FOR UPDATE SKIP LOCKED", index_id)
    every = await connection.fetch("SELECT id FROM segments WHERE index_id = $1", index_id)
    if {row["id"] for row in held} != {row["id"] for row in every}:
        return
    rows = await connection.fetch(
        "DELETE FROM removals WHERE index_id = $1 RETURNING chunks, length, numbers", index_id
    )
    removed = np.frombuffer(b"".join(row["numbers"] for row in rows), dtype="<u4").astype(np.int64)
    for segment in sorted(row["id"] for row in held):
        await _clear_segment(connection, index_id, segment, removed)
    # One segment's statistics carry all that was removed: only their sum is ever read.
    await connection.execute(
        "UPDATE segments SET chunks = chunks - $2, length = length - $3 WHERE id = $1",
        max(row["id"] for row in held), sum(row["chunks"] for row in rows), sum(row["length"] for row in rows),
    )  # fmt: skip


async def _clear_segment(connection: Connection, index_id: str, segment: int, removed: Numbers) -> None:
    after = ""
    while rows := await connection.fetch(_NEXT_ROWS, index_id, segment, after, _ROWS_AT_ONCE):
        after = rows[-1]["term"]
        cleared = {row["term"]: without(row["entries"], removed) for row in rows}
        changed = {row["term"]: cleared[row["term"]] for row in rows if len(cleared[row["term"]]) < len(row["entries"])}
        await connection.execute(_REWRITE, index_id, segment, list(changed), list(changed.values()))
    await connection.execute("DELETE FROM postings WHERE segment_id = $1 AND entries = ''", segment)
