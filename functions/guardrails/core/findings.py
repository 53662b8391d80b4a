"""Reading what guardrails found, newest first."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from functions.guardrails.core.errors import TenantUnknown
from functions.guardrails.core.models import Kind, Severity
from functions.guardrails.core.ports import Findings, StoredFinding
from functions.kit.clock import rfc3339
from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.errors import InvalidRequest, Unprocessable

Position = tuple[datetime, str]
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings; None for all.

    Attributes:
        severity: at least so grave.
        start: inclusive, aware.
        end: exclusive, aware.
    """

    kind: Kind | None = None
    severity: Severity | None = None
    start: datetime | None = None
    end: datetime | None = None
    detector: str | None = None
    user_id: str | None = None
    api_key_id: str | None = None
    request_id: str | None = None


class ListFindings:
    """Reads a tenant's findings, page by page."""

    def __init__(self, findings: Findings, exists: Callable[[str], Awaitable[bool]]) -> None:
        self._findings = findings
        self._exists = exists

    async def __call__(
        self, tenant_id: str, wanted: FindingFilter, *, limit: int, cursor: str | None
    ) -> tuple[Sequence[StoredFinding], str | None]:
        """A page, and the cursor of the next one.

        Raises:
            TenantUnknown: there is no such tenant.
            InvalidRequest: the cursor is not one of this listing.
            Unprocessable: a bound is beyond the years 2000 to 2199.
        """
        for name, bound in (("from", wanted.start), ("to", wanted.end)):
            if bound is not None and not _EARLIEST <= bound <= _LATEST:
                raise Unprocessable(f"{name} must be in the years 2000 to 2199", details={"parameter": name})
        if not await self._exists(tenant_id):
            raise TenantUnknown("there is no such tenant")
        after = _position(cursor) if cursor else None
        found = await self._findings.page(tenant_id, wanted, limit + 1, after)
        page = found[:limit]
        following = encode_cursor(rfc3339(page[-1].at), page[-1].id) if len(found) > limit else None
        return page, following


def _position(cursor: str) -> Position:
    moment, last_id = (str(part) for part in decode_cursor(cursor, str, str))
    try:
        at, found = datetime.fromisoformat(moment), str(UUID(last_id))
    except ValueError as error:
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"}) from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if not _EARLIEST <= at <= _LATEST:
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"})
    return at, found
