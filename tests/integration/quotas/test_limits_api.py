"""GET and PUT /v1/tenants/{tenantId}/quotas, and what the mirror counts against the limits."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.gateway.adapters.postgres_limits import PostgresLimitDirectory
from functions.gateway.core.quota import Subjects
from functions.kit.database import UnitOfWork
from functions.kit.identifiers import new_id
from functions.kit.quotas import span_of
from functions.kit.runtime import Runtime
from functions.kit.subjects import QuotaUpdated, UsageRecord
from functions.platform.core.models import ProvisionedTenant
from functions.platform.wiring import Platform
from tests.integration.platform.conftest import Caller

pytestmark = pytest.mark.integration

TOKENS = {"subject": {"kind": "tenant"}, "metric": "tokens", "window": "month", "limit": 1000}


def on(kind: str, name: str | None = None, metric: str = "requests", window: str = "day", limit: int = 10) -> Any:
    subject = {"kind": kind} if name is None else {"kind": kind, "id": name}
    return {"subject": subject, "metric": metric, "window": window, "limit": limit}


def record(tenant: ProvisionedTenant, **fields: Any) -> UsageRecord:
    given = {"usage_id": new_id(), "tenant_id": tenant.tenant.id, "at": datetime.now(UTC), "provider": "openai"}
    given |= {"model": "gpt-4o", "operation": "chat", "prompt_tokens": 10, "completion_tokens": 5}
    return UsageRecord.model_validate({**given, "cost_micro_usd": 7, **fields})


async def mirror(runtime: Runtime, use: Platform, *records: UsageRecord) -> int:
    async with UnitOfWork(runtime.databases):
        return await use.mirror_usage(QuotaUpdated(tenant_id=records[0].tenant_id, records=list(records)))


async def put(caller: Caller, tenant: ProvisionedTenant, *quotas: Any, status: int = 200, **more: Any) -> Any:
    path = f"/v1/tenants/{tenant.tenant.id}/quotas"
    answer = await caller("PUT", path, {"quotas": list(quotas), **more})
    assert answer.status_code == status, answer.text
    return answer.json()


async def used(caller: Caller, tenant: ProvisionedTenant) -> list[int]:
    answer = await caller("GET", f"/v1/tenants/{tenant.tenant.id}/quotas")
    assert answer.status_code == 200, answer.text
    return [quota["used"] for quota in answer.json()["quotas"]]


async def test_limits_are_kept_as_given(caller: Caller, provisioned: ProvisionedTenant) -> None:
    none = await caller("GET", f"/v1/tenants/{provisioned.tenant.id}/quotas")
    assert none.json() == {"version": 0, "updatedAt": None, "quotas": []}
    soft = {**on("model", "openai/gpt-4o", "cost", "day", 5_000_000), "hard": False, "thresholds": [120, 50, 50]}
    stored = await put(caller, provisioned, TOKENS, soft)
    first, second = stored["quotas"]
    assert first["subject"] == {"kind": "tenant", "id": None}
    assert (first["hard"], first["thresholds"], first["used"], first["remaining"]) == (True, [80, 90, 100], 0, 1000)
    assert (second["hard"], second["thresholds"]) == (False, [50, 120])
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert datetime.fromisoformat(first["windowStart"]) == month
    assert datetime.fromisoformat(first["resetsAt"]).day == 1
    again = await caller("GET", f"/v1/tenants/{provisioned.tenant.id}/quotas")
    assert again.json() == stored


@pytest.mark.parametrize(
    "wrong",
    [
        {**TOKENS, "limit": -1},
        {**TOKENS, "limit": 2**53},
        {**TOKENS, "limit": 1.5},
        {**TOKENS, "limit": "10"},
        {**TOKENS, "limit": True},
        {**TOKENS, "metric": "bytes"},
        {**TOKENS, "window": "week"},
        {**TOKENS, "subject": {"kind": "tenant", "id": "x"}},
        {**TOKENS, "subject": {"kind": "user"}},
        {**TOKENS, "subject": {"kind": "user", "id": ""}},
        {**TOKENS, "subject": {"kind": "user", "id": "a\u0000"}},
        {**TOKENS, "subject": {"kind": "planet", "id": "x"}},
        {**TOKENS, "thresholds": [0]},
        {**TOKENS, "thresholds": [1001]},
        {**TOKENS, "thresholds": list(range(1, 12))},
        {**TOKENS, "more": 1},
    ],
)
async def test_what_is_no_limit(caller: Caller, provisioned: ProvisionedTenant, wrong: Any) -> None:
    refused = await put(caller, provisioned, wrong, status=422)
    assert refused["error"]["code"] == "validation_failed"


async def test_two_limits_of_the_same_are_refused_with_words(caller: Caller, provisioned: ProvisionedTenant) -> None:
    one = on("user", "anna")
    refused = await put(caller, provisioned, one, {**one, "limit": 20}, status=422)
    assert "two limits on requests of user anna per day" in str(refused["error"]["details"])


async def test_a_group_or_key_that_there_is_not_is_refused(caller: Caller, provisioned: ProvisionedTenant) -> None:
    key = provisioned.api_key.id
    await put(caller, provisioned, on("api_key", key), on("user", "anybody"), on("model", "any"))
    refused = await put(caller, provisioned, on("api_key", key), on("group", "g"), on("api_key", "k"), status=422)
    assert refused["error"]["code"] == "unknown_quota_subject"
    assert refused["error"]["details"]["subjects"] == ["g", "k"]


async def test_a_version_that_was_replaced_meanwhile(caller: Caller, provisioned: ProvisionedTenant) -> None:
    first = await put(caller, provisioned, TOKENS, version=0)
    assert (await put(caller, provisioned, version=0, status=409))["error"]["code"] == "quotas_changed"
    second = await put(caller, provisioned, version=first["version"])
    assert second["version"] > first["version"]
    assert second["quotas"] == []


async def test_nobody_s_tenant(caller: Caller) -> None:
    for tenant_id in ("x", new_id()):
        for method, body in (("GET", None), ("PUT", {"quotas": []})):
            answer = await caller(method, f"/v1/tenants/{tenant_id}/quotas", body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "tenant_not_found")


async def test_the_mirror_counts_by_subject_metric_and_window(
    caller: Caller, provisioned: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    await put(
        caller,
        provisioned,
        on("tenant"),
        on("tenant", metric="tokens", window="minute"),
        on("tenant", metric="cost", window="month"),
        on("user", "anna"),
        on("model", "gpt-4o"),
        on("model", "openai/gpt-4o", "tokens"),
        on("api_key", provisioned.api_key.id),
    )
    now = datetime.now(UTC)
    records = [
        record(provisioned, user_id="anna"),
        record(provisioned, user_id="ben", api_key_id=provisioned.api_key.id, provider="groq"),
        record(provisioned, model="embed", operation="embeddings", internal=True, at=now),
        record(provisioned, status="expired", prompt_tokens=0, completion_tokens=0, cost_micro_usd=0),
        record(provisioned, at=now - timedelta(days=40)),
    ]
    assert await mirror(runtime, use, *records) == 5
    assert await mirror(runtime, use, *records) == 0
    minute = sum(15 for one in records[:3] if one.at.minute == datetime.now(UTC).minute)
    assert await used(caller, provisioned) == [2, minute, 21, 1, 2, 15, 1]


async def test_groups_count_a_call_in_each(
    caller: Caller, provisioned: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    async with runtime.databases.acquire() as session:
        groups = [
            await session.fetchval(
                "INSERT INTO groups (id, tenant_id, name) VALUES ($1, $2, $3) RETURNING id::text",
                new_id(), provisioned.tenant.id, name,
            )
            for name in ("one", "other")
        ]  # fmt: skip
    await put(caller, provisioned, *(on("group", group) for group in groups))
    await mirror(runtime, use, record(provisioned, groups=groups), record(provisioned, groups=groups[:1]))
    assert await used(caller, provisioned) == [2, 1]
    totals = await usage(caller, provisioned, groupBy="group")
    assert {item["groupId"]: item["requests"] for item in totals} == {groups[0]: 2, groups[1]: 1}


async def usage(caller: Caller, tenant: ProvisionedTenant, **query: str) -> list[dict[str, Any]]:
    answer = await caller("GET", f"/v1/tenants/{tenant.tenant.id}/usage", query=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_new_limit_counts_what_was_used_before_it_and_a_changed_one_goes_on(
    caller: Caller, provisioned: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    await mirror(runtime, use, *(record(provisioned) for _ in range(3)))
    first = await put(caller, provisioned, on("tenant"), on("user", "anna"))
    assert [quota["used"] for quota in first["quotas"]] == [3, 0]
    await mirror(runtime, use, record(provisioned))
    changed = await put(caller, provisioned, on("tenant", limit=3))
    assert changed["quotas"][0]["id"] == first["quotas"][0]["id"]
    assert (changed["quotas"][0]["used"], changed["quotas"][0]["remaining"]) == (4, 0)
    assert changed["quotas"][0]["updatedAt"] > changed["quotas"][0]["createdAt"]


async def test_no_call_falls_between_while_limits_are_set(
    caller: Caller, provisioned: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    async def calls() -> None:
        for _ in range(20):
            await mirror(runtime, use, record(provisioned))

    async def changes() -> None:
        for number in range(10):
            await put(caller, provisioned, on("tenant"), on("user", f"u{number}"))
            await put(caller, provisioned, on("user", f"u{number}"))

    await asyncio.gather(calls(), calls(), calls(), changes())
    assert (await put(caller, provisioned, on("tenant", limit=100)))["quotas"][0]["used"] == 60


async def test_a_call_given_up_is_seen_and_its_end_takes_its_place(
    caller: Caller, provisioned: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    await put(caller, provisioned, on("tenant"), on("tenant", metric="tokens"))
    lost = record(provisioned, status="expired", prompt_tokens=0, completion_tokens=0, cost_micro_usd=0)
    assert await mirror(runtime, use, lost) == 1
    assert await used(caller, provisioned) == [0, 0]
    (item,) = await usage(caller, provisioned)
    assert (item["requests"], item["promptTokens"]) == (1, 0)
    known = record(provisioned).model_copy(update={"usage_id": lost.usage_id, "at": lost.at, "cached": "hit"})
    assert await mirror(runtime, use, known, lost) == 0
    assert await mirror(runtime, use, lost, known) == 0
    assert await used(caller, provisioned) == [1, 15]
    (item,) = await usage(caller, provisioned)
    assert (item["requests"], item["promptTokens"], item["cachedRequests"]) == (1, 10, 1)
    async with runtime.databases.acquire() as session:
        failed = await session.fetchval(
            "SELECT sum(failed_requests) FROM usage_hourly WHERE tenant_id = $1", provisioned.tenant.id
        )
    assert failed == 0


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("model", [{"provider": "groq", "model": "llama"}, {"provider": "openai", "model": "gpt-4o"}]),
        ("provider", [{"provider": "groq"}, {"provider": "openai"}]),
        ("user", [{"userId": None}, {"userId": "anna"}]),
        ("apiKey", [{"apiKeyId": None}, {"apiKeyId": "k1"}]),
        ("group", [{"groupId": None}, {"groupId": "g1"}, {"groupId": "g2"}]),
        ("cached", [{"cached": "hit"}, {"cached": "miss"}]),
        ("operation", [{"operation": "chat"}]),
    ],
)
async def test_usage_is_grouped_by(
    caller: Caller,
    provisioned: ProvisionedTenant,
    runtime: Runtime,
    use: Platform,
    group_by: str,
    expected: list[dict[str, Any]],
) -> None:
    await mirror(
        runtime,
        use,
        record(provisioned, user_id="anna", groups=["g1", "g2"], cached="hit"),
        record(provisioned, provider="groq", model="llama", api_key_id="k1"),
    )
    parts = ("provider", "model", "userId", "apiKeyId", "groupId", "cached", "operation")
    for granularity in ("hour", "day", "month"):
        items = await usage(caller, provisioned, groupBy=group_by, granularity=granularity)
        assert [{name: item[name] for name in item if name in parts} for item in items] == expected
        paged = [item async for item in _pages(caller, provisioned, groupBy=group_by, granularity=granularity)]
        assert paged == items


async def _pages(caller: Caller, tenant: ProvisionedTenant, **query: str) -> Any:
    cursor: dict[str, str] = {}
    while True:
        answer = await caller("GET", f"/v1/tenants/{tenant.tenant.id}/usage", query={**query, **cursor, "limit": "1"})
        for item in answer.json()["items"]:
            yield item
        if answer.json()["nextCursor"] is None:
            return
        cursor = {"cursor": answer.json()["nextCursor"]}


async def test_gateways_read_what_holds(
    caller: Caller, provisioned: ProvisionedTenant, runtime: Runtime, use: Platform
) -> None:
    directory = PostgresLimitDirectory(runtime.databases, stale=60, every=0.05)
    following = asyncio.create_task(directory.follow())
    everybody = Subjects("openai", "gpt-4o", user_id="anna")
    try:
        assert not await directory.limits(provisioned.tenant.id)
        await mirror(runtime, use, record(provisioned))
        await put(caller, provisioned, on("user", "anna", limit=3), on("tenant", limit=4))

        async def applying(count: int) -> bool:
            found = (await directory.limits(provisioned.tenant.id)).applying(everybody)
            if len(found) != count:
                return False
            assert {limit.seed(span_of(limit.window, datetime.now(UTC))) for limit in found} <= {0, 1}
            return True

        await _until(lambda: applying(2))
        await put(caller, provisioned)
        await _until(lambda: applying(0))
    finally:
        following.cancel()


async def _until(holds: Any) -> None:
    from tests.integration.stateful.nats.waiting import eventually

    await eventually(holds)
