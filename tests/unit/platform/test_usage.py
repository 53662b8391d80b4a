"""Spans, pages and what of a record can be kept."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.kit.clock import utc_now
from functions.kit.errors import InvalidRequest, Unprocessable
from functions.kit.identifiers import new_id
from functions.kit.subjects import QuotaUpdated, UsageRecord
from functions.platform.core.models import Plan, Slice, Tenant, TenantStatus, UsageTotal
from functions.platform.core.usage import MirrorUsage, ReadUsage
from tests.unit.platform.doubles import MemoryPlatform, MemoryTenants, MemoryUsage

TENANT = Tenant(new_id(), "acme", "Acme", TenantStatus.ACTIVE, Plan.FREE, None, utc_now())
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


async def read(
    usage: MemoryUsage, start: datetime | None = None, end: datetime | None = None, cursor: str | None = None
) -> Slice[UsageTotal]:
    use = ReadUsage(MemoryTenants(MemoryPlatform(tenants={TENANT.id: TENANT})), usage)
    return await use(TENANT.id, start=start, end=end, granularity="day", limit=1, cursor=cursor)


def total(provider: str = "openai", model: str = "gpt-4o") -> UsageTotal:
    return UsageTotal(NOON, (provider, model), 1, 2, 3, 0, 0, 4)


async def test_the_default_span_ends_now() -> None:
    usage, before = MemoryUsage(), utc_now()
    await read(usage)
    (query,) = usage.queries
    assert before <= query.end <= utc_now()
    assert timedelta(days=30) <= query.end - query.start < timedelta(days=30, hours=1)


async def test_a_span_begins_with_a_whole_hour_of_utc() -> None:
    usage = MemoryUsage()
    india = timezone(timedelta(hours=5, minutes=30))
    await read(usage, datetime(2026, 3, 1, 18, 10, 5, tzinfo=india), NOON + timedelta(days=1))
    assert usage.queries[0].start == NOON


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOON, NOON),
        (NOON + timedelta(seconds=1), NOON),
        (datetime(1999, 1, 1, tzinfo=UTC), NOON),
        (NOON, datetime(2201, 1, 1, tzinfo=UTC)),
        (None, datetime.min.replace(tzinfo=UTC)),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))), None),
    ],
)
async def test_spans_that_are_none(start: datetime | None, end: datetime | None) -> None:
    with pytest.raises(Unprocessable):
        await read(MemoryUsage(), start, end)


@given(provider=TEXT, model=TEXT)
async def test_the_next_page_begins_after_the_last_item(provider: str, model: str) -> None:
    usage = MemoryUsage(total(provider, model), total())
    page = await read(usage)
    assert page.items == (total(provider, model),)
    await read(usage, cursor=page.next_cursor)
    assert usage.queries[-1].after == (NOON, provider, model)


async def test_the_last_page_has_no_next() -> None:
    assert (await read(MemoryUsage(total()))).next_cursor is None


def record(**fields: object) -> UsageRecord:
    return UsageRecord.model_validate(
        {
            "usage_id": new_id(), "tenant_id": TENANT.id, "at": NOON, "provider": "openai", "model": "gpt-4o",
            "operation": "chat", "prompt_tokens": 1, "completion_tokens": 1, "cost_micro_usd": 1, **fields,
        }
    )  # fmt: skip


async def test_text_is_made_storable_and_time_aware() -> None:
    usage = MemoryUsage()
    given_record = record(model="a\0b", user_id="\0", at=NOON.replace(tzinfo=None))
    assert await MirrorUsage(usage)(QuotaUpdated(tenant_id=TENANT.id, records=[given_record])) == 1
    (kept,) = usage.records
    assert (kept.model, kept.user_id, kept.at) == ("a\N{REPLACEMENT CHARACTER}b", "\N{REPLACEMENT CHARACTER}", NOON)


@pytest.mark.parametrize(
    "wrong",
    [
        {"usage_id": "1"},
        {"tenant_id": new_id()},
        {"completion_tokens": 2**63},
        {"latency_ms": 2**70},
        {"at": datetime(2300, 1, 1, tzinfo=UTC)},
    ],
)
async def test_a_record_that_cannot_be_kept_refuses_the_batch(wrong: dict[str, object]) -> None:
    usage = MemoryUsage()
    with pytest.raises(InvalidRequest):
        await MirrorUsage(usage)(QuotaUpdated(tenant_id=TENANT.id, records=[record(), record(**wrong)]))
    assert not usage.records
