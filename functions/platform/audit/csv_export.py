"""Audit records as CSV (RFC 4180) that a spreadsheet takes for text alone."""

import csv
import io
from collections.abc import AsyncIterator, Iterable

from functions.platform.audit.schemas import AuditItem
from functions.platform.core.audit_models import StoredRecord

COLUMNS = (
    "time", "chain", "sequence", "outcome", "action", "method", "resource", "resourceId", "fields", "status", "error",
    "actorKind", "actorSubject", "actorRoles", "actorTenantId", "actorApiKeyId", "actorUserId", "ip", "userAgent",
    "requestId", "traceId", "suppressed", "id", "hash",
)  # fmt: skip
# What begins a formula in one spreadsheet or another (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")


async def export(pages: AsyncIterator[list[StoredRecord]]) -> AsyncIterator[bytes]:
    """The file in pieces: the header line, then a piece a page."""
    yield _lines([COLUMNS])
    async for page in pages:
        yield _lines(_row(AuditItem.of(stored)) for stored in page)


def harmless(cell: str) -> str:
    """A cell that no spreadsheet runs: what would begin a formula gets an apostrophe before it."""
    return f"'{cell}" if cell.lstrip(" \u00a0").startswith(_FORMULA) else cell


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode()


def _row(item: AuditItem) -> list[str]:
    said = item.model_dump(mode="json", by_alias=True)
    actor = said.pop("actor") or {}
    flat = {**said, **{f"actor{name[:1].upper()}{name[1:]}": value for name, value in actor.items()}}
    return [_cell(flat.get(name)) for name in COLUMNS]


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(str(part) for part in value)
    return "" if value is None else str(value)
