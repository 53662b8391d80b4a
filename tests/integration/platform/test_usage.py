"""Usage mirrored from the stream of metered calls, and GET /v1/tenants/{tenantId}/usage."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.kit.database import UnitOfWork
from functions.kit.errors import InvalidRequest
from functions.kit.identifiers import new_id
from functions.kit.runtime import Runtime
from functions.kit.subjects import QuotaUpdated, UsageRecord
from functions.platform.core.models import ProvisionedTenant
from functions.platform.wiring import Platform
from tests.integration.platform.conftest import Caller

pytestmark = pytest.mark.integration

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def record(tenant: ProvisionedTenant, **fields: Any) -> UsageRecord:
    return UsageRecord.model_validate(
        {
            "usage_id": new_id(),
            "tenant_id": tenant.tenant.id,
            "at": NOON,
            "provider": "openai",
            "model": "gpt-4o",
            "operation": "chat",
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "cost_micro_usd": 7,
            **fields,
        }
    )


async def mirror(runtime: Runtime, use: Platform, records: Sequence[UsageRecord]) -> int:
    update = QuotaUpdated(tenant_id=records[0].tenant_id, records=list(records))
    async with UnitOfWork(runtime.databases):
        return await use.mirror_usage(update)


async def read(caller: Caller, tenant: ProvisionedTenant, **query: str) -> dict[str, Any]:
    span = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-03T00:00:00Z", **query}
    answer = await caller("GET", f"/v1/tenants/{tenant.tenant.id}/usage", query=span)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_totals_by_day_provider_and_model(
    operator: Caller, tenant: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    cached = {"cached": "semantic", "prompt_tokens": 0, "completion_tokens": 0, "cost_micro_usd": 0, "saved_tokens": 15}
    embedded = {"model": "embed", "operation": "embeddings", "completion_tokens": 0}
    records = [
        record(tenant),
        record(tenant, at=NOON + timedelta(hours=1), api_key_id=new_id()),
        record(tenant, user_id="someone", **cached),
        record(tenant, **embedded),
        record(tenant, at=NOON + timedelta(days=1)),
        record(tenant, at=NOON + timedelta(days=2)),
    ]
    assert await mirror(runtime, use, records) == 6
    page = await read(operator.with_credential(tenant.api_key.secret), tenant)
    assert page["nextCursor"] is None
    embeddings, first, second = page["items"]
    assert first == {
        "from": "2026-03-01T00:00:00Z",
        "provider": "openai",
        "model": "gpt-4o",
        "requests": 3,
        "promptTokens": 20,
        "cachedPromptTokens": 0,
        "cacheWriteTokens": 0,
        "completionTokens": 10,
        "reasoningTokens": 0,
        "cachedRequests": 1,
        "savedTokens": 15,
        "compressionSavedTokens": 0,
        "costMicroUsd": 14,
    }
    assert (embeddings["model"], embeddings["promptTokens"]) == ("embed", 10)
    assert (second["from"], second["requests"]) == ("2026-03-02T00:00:00Z", 1)


async def test_pages_hold_each_total_once(
    operator: Caller, tenant: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    models = ["a", "b", 'c"\\', "d\u00e9"]
    await mirror(
        runtime, use, [record(tenant, model=model, at=NOON + timedelta(hours=h)) for model in models for h in (0, 1)]
    )
    found: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await read(operator, tenant, granularity="hour", limit="3", **cursor)
        found += [(item["from"], item["model"]) for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    hours = ("2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z")
    assert found == [(hour, model) for hour in hours for model in models]


async def test_an_hour_counts_when_any_of_it_lies_in_the_span(
    operator: Caller, tenant: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    await mirror(runtime, use, [record(tenant, at=NOON + timedelta(minutes=10))])

    async def requests(start: str, end: str) -> int:
        page = await read(operator, tenant, **{"from": f"2026-03-01T{start}Z", "to": f"2026-03-01T{end}Z"})
        return sum(item["requests"] for item in page["items"])

    assert await requests("12:30:00", "12:40:00") == 1
    assert await requests("11:00:00", "12:00:00") == 0
    assert await requests("13:00:00", "14:00:00") == 0


async def test_without_a_span_the_last_thirty_days(
    operator: Caller, tenant: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    now = datetime.now(UTC)
    await mirror(runtime, use, [record(tenant, at=now - timedelta(days=days)) for days in (0, 29, 31)])
    answer = await operator("GET", f"/v1/tenants/{tenant.tenant.id}/usage")
    assert sum(item["requests"] for item in answer.json()["items"]) == 2


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, 422),
        ({"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, 422),
        ({"from": "2026-03-01T00:00:00"}, 422),
        ({"from": "yesterday"}, 422),
        ({"from": "0001-01-01T00:00:00+14:00"}, 422),
        ({"to": "9999-12-31T23:59:59-14:00"}, 422),
        ({"to": "0001-01-01T00:00:00Z"}, 422),
        ({"to": "1999-01-01T00:00:00Z"}, 422),
        ({"granularity": "minute"}, 422),
        ({"limit": "0"}, 422),
        ({"cursor": "x"}, 400),
        ({"cursor": "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsImFcdTAwMDAiLCJiIl0"}, 400),
        ({"cursor": "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsIlx1ZDgwMCIsImIiXQ"}, 400),
        ({"cursor": "WyJub3ciLCJhIiwiYiJd"}, 400),
    ],
)
async def test_what_cannot_be_asked(
    operator: Caller, tenant: ProvisionedTenant, query: dict[str, str], status: int
) -> None:
    answer = await operator("GET", f"/v1/tenants/{tenant.tenant.id}/usage", query=query)
    assert answer.status_code == status, answer.text


async def test_each_call_counts_once_however_often_it_is_told(
    operator: Caller, tenant: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    records = [record(tenant, model=f"m{number % 3}", prompt_tokens=number) for number in range(200)]
    shuffled = random.Random(7)
    batches = [shuffled.sample(records, 60) + [records[0]] * 2 for _ in range(16)] + [records[:100], records[100:]]
    added = await asyncio.gather(*(mirror(runtime, use, batch) for batch in batches))
    assert sum(added) == 200
    assert await mirror(runtime, use, records) == 0
    items = (await read(operator, tenant))["items"]
    assert sum(item["requests"] for item in items) == 200
    assert sum(item["promptTokens"] for item in items) == sum(range(200))
    async with runtime.databases.acquire() as session:
        ledger = await session.fetchrow(
            "SELECT count(*), sum(prompt_tokens) FROM usage_ledger WHERE tenant_id = $1", tenant.tenant.id
        )
    assert ledger is not None
    assert tuple(ledger) == (200, sum(range(200)))


async def test_a_model_named_by_nonsense_is_counted(
    operator: Caller, tenant: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    assert await mirror(runtime, use, [record(tenant, model="gpt\0-4o")]) == 1
    assert (await read(operator, tenant))["items"][0]["model"] == "gpt\N{REPLACEMENT CHARACTER}-4o"


async def test_a_record_that_can_never_be_entered_is_refused(
    tenant: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    for wrong in ({"usage_id": "x"}, {"prompt_tokens": 2**63}, {"at": datetime(1, 1, 1, tzinfo=UTC)}):
        with pytest.raises(InvalidRequest):
            await mirror(runtime, use, [record(tenant), record(tenant, **wrong)])
    other = record(tenant).model_copy(update={"tenant_id": new_id()})
    with pytest.raises(InvalidRequest):
        await mirror(runtime, use, [record(tenant), other])
