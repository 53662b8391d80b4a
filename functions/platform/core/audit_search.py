"""Searching the audit trail, page by page or all of it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from functions.kit.clock import rfc3339
from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.errors import InvalidRequest
from functions.platform.core.audit_models import AuditQuery, AuditRecords, StoredCheckpoint, StoredRecord
from functions.platform.core.models import Slice

_DEFAULT_SPAN = timedelta(days=30)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_PAGE = 500


class SearchAudit:
    """Finds records, newest first."""

    def __init__(self, records: AuditRecords) -> None:
        self._records = records

    async def __call__(self, query: AuditQuery, limit: int, cursor: str | None) -> Slice[StoredRecord]:
        """One page.

        Raises:
            InvalidRequest: the cursor is not of this listing, or the span is turned round or out of all bounds.
        """
        check_span(query)
        if cursor is not None:
            query = replace(query, before=_key(cursor))
        found = await self._records.search(query, limit + 1)
        return Slice(tuple(found[:limit]), _cursor(found[limit - 1]) if len(found) > limit else None)

    async def all(self, query: AuditQuery) -> AsyncIterator[list[StoredRecord]]:
        """All of it, in pages."""
        while page := await self._records.search(query, _PAGE):
            yield page
            query = replace(query, before=(page[-1].at, page[-1].chain, page[-1].seq))

    async def checkpoints(self, chain: str, limit: int, cursor: str | None) -> Slice[StoredCheckpoint]:
        """A chain's checkpoints, newest first."""
        below = int(decode_cursor(cursor, int)[0]) if cursor is not None else None
        found = await self._records.checkpoints(chain, limit + 1, below)
        return Slice(tuple(found[:limit]), encode_cursor(found[limit - 1].size) if len(found) > limit else None)


def start_before(end: datetime) -> datetime:
    """When the span before an end begins by default."""
    # Compared first: a subtraction near the year 1 would overflow.
    return end - _DEFAULT_SPAN if end > _EARLIEST + _DEFAULT_SPAN else _EARLIEST


def check_span(query: AuditQuery) -> None:
    """Refuse a span that is turned round or out of all bounds.

    Raises:
        InvalidRequest: it is.
    """
    if not _EARLIEST <= query.start <= query.end <= _LATEST:
        raise InvalidRequest(
            "`from` must not be after `to`, nor either of them far away", details={"parameter": "from"}
        )


def _cursor(record: StoredRecord) -> str:
    return encode_cursor(rfc3339(record.at), record.chain, record.seq)


def _key(cursor: str) -> tuple[datetime, str, int]:
    at, chain, seq = decode_cursor(cursor, str, str, int)
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError as error:
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"}) from error
    if moment.tzinfo is None or not _EARLIEST <= moment <= _LATEST or not 0 < int(seq) < 2**63 or "\x00" in str(chain):
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"})
    return moment, str(chain), int(seq)
