"""Usage: mirrored from the stream of metered calls, and read as totals."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from functions.kit.clock import rfc3339, utc_now
from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.errors import InvalidRequest, Unprocessable
from functions.kit.subjects import QuotaUpdated, UsageRecord
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.models import Granularity, Slice, UsageGroup, UsageQuery, UsageTotal, tenant_id_of
from functions.platform.core.ports import Tenants, Usage

_DEFAULT_SPAN = timedelta(days=30)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_MOST = 2**63 - 1


class MirrorUsage:
    """Enters metered calls into the ledger."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    async def __call__(self, update: QuotaUpdated) -> int:
        """Enter the records that are new, each once by its usage id; returns how many those were.

        Raises:
            InvalidRequest: a record can never be entered.
        """
        return await self._usage.add([storable(record, update.tenant_id) for record in update.records])


class ReadUsage:
    """Reads a tenant's usage, page by page."""

    def __init__(self, tenants: Tenants, usage: Usage) -> None:
        self._tenants = tenants
        self._usage = usage

    async def __call__(
        self,
        tenant_id: str,
        *,
        start: datetime | None,
        end: datetime | None,
        granularity: Granularity,
        limit: int,
        cursor: str | None,
        group_by: UsageGroup = "model",
    ) -> Slice[UsageTotal]:
        """Totals per hour, day or month (UTC) and part; an hour counts whole when any of it lies in the span.

        Args:
            start: aware; None for 30 days before `end`.
            end: aware; None for now.

        Raises:
            TenantNotFound: there is no such tenant.
            Unprocessable: `start` is not before `end`, or one is beyond the years 2000 to 2199.
            InvalidRequest: the cursor is not one of this listing.
        """
        end = end or utc_now()
        # Compared first: a subtraction near the year 1 would overflow.
        start = start or (end - _DEFAULT_SPAN if end > _EARLIEST + _DEFAULT_SPAN else _EARLIEST)
        if not _EARLIEST <= start < end <= _LATEST:
            raise Unprocessable("from must be before to, both in the years 2000 to 2199", details={"parameter": "from"})
        query = UsageQuery(
            tenant_id=tenant_id_of(tenant_id),
            start=start.astimezone(UTC).replace(minute=0, second=0, microsecond=0),
            end=end.astimezone(UTC),
            granularity=granularity,
            limit=limit + 1,
            after=_position(cursor) if cursor else None,
            group_by=group_by,
        )
        if await self._tenants.find(query.tenant_id) is None:
            raise TenantNotFound("there is no such tenant")
        found = await self._usage.totals(query)
        page = tuple(found[:limit])
        return Slice(page, _cursor(page[-1]) if len(found) > limit else None)


def storable(record: UsageRecord, tenant_id: str) -> UsageRecord:
    """The record as Postgres can hold it: its text has no NUL, which a model's name in a request may.

    Raises:
        InvalidRequest: it can never be held, or is another tenant's.
    """
    if record.tenant_id != tenant_id:
        raise InvalidRequest(f"usage {record.usage_id} is another tenant's")
    numbers = (record.prompt_tokens, record.completion_tokens, record.saved_tokens, record.cost_micro_usd)
    if (
        max(*numbers, record.compression_saved_tokens, record.latency_ms) > _MOST
        or max(record.cached_prompt_tokens, record.cache_write_tokens, record.reasoning_tokens) > _MOST
        or not _EARLIEST <= _aware(record.at) < _LATEST
    ):
        raise InvalidRequest(f"usage {record.usage_id} has a number or a time that cannot be")
    if not (_is_uuid(record.usage_id) and _is_uuid(tenant_id)):
        raise InvalidRequest(f"usage {record.usage_id}: not an id")
    text = {name: _without_nul(value) for name, value in _texts(record).items()}
    groups = [_without_nul(group) for group in record.groups]
    return record.model_copy(update={**text, "groups": groups, "at": _aware(record.at)})


def _texts(record: UsageRecord) -> dict[str, str]:
    names = ("provider", "model", "api_key_id", "user_id", "request_id")
    return {name: value for name in names if (value := getattr(record, name)) is not None}


def _without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _cursor(total: UsageTotal) -> str:
    return encode_cursor(rfc3339(total.start), *total.key)


def _position(cursor: str) -> tuple[datetime, str, str]:
    start, key, subkey = (str(part) for part in decode_cursor(cursor, str, str, str))
    try:
        moment = datetime.fromisoformat(start)
        (key + subkey).encode()  # refuses lone surrogates
    except ValueError:
        moment = _LATEST
    if "\0" in key + subkey or moment.tzinfo is None or not _EARLIEST <= moment < _LATEST:
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"})
    return moment, key, subkey
