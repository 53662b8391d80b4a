"""Key figures are the usage API's, whatever calls came in what order."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.kit.clock import rfc3339, utc_now
from functions.kit.identifiers import new_id
from tests.integration.alerts.conftest import Bus, calls, record
from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Tenant, eventually

pytestmark = pytest.mark.integration

SHARED = ("requests", "promptTokens", "completionTokens", "cachedRequests", "savedTokens", "costMicroUsd")

# What the sums of all together have too much, or too little.
_NOT_TOGETHER = """
    SELECT grain, bucket, shard, provider, model, sum(requests) AS requests, sum(cost_micro_usd) AS cost
    FROM (SELECT grain, bucket, kpi_shard(tenant_id) AS shard, provider, model, requests, cost_micro_usd FROM kpis
          UNION ALL
          SELECT grain, bucket, shard, provider, model, -requests, -cost_micro_usd FROM kpis_together) k
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(requests) <> 0 OR sum(cost_micro_usd) <> 0
    UNION ALL
    SELECT grain, bucket, shard, slot::text, '', sum(calls), 0
    FROM (SELECT grain, bucket, kpi_shard(tenant_id) AS shard, slot, calls FROM kpi_latency
          UNION ALL SELECT grain, bucket, shard, slot, -calls FROM kpi_latency_together) l
    GROUP BY 1, 2, 3, 4 HAVING sum(calls) <> 0
"""


async def kpis(api: Api, tenant: Tenant, query: str = "") -> dict[str, Any]:
    reply = await api.call("GET", f"/v1/tenants/{tenant.id}/kpis{query}")
    assert reply.status == 200, reply.body
    body: dict[str, Any] = reply.body
    return body


async def arrived(api: Api, tenant: Tenant, requests: int, query: str = "") -> dict[str, Any]:
    async def all_of_them() -> dict[str, Any] | None:
        found = await kpis(api, tenant, query)
        return found if found["totals"]["requests"] == requests else None

    found = await eventually(all_of_them)
    assert found is not None
    return found


async def test_sums_are_those_of_the_usage_api(as_tenant: Api, tenant: Tenant, bus: Bus) -> None:
    now = utc_now()
    ages = [timedelta(minutes=1), timedelta(hours=3), timedelta(days=1, hours=1), timedelta(days=6)]
    for age in ages:
        await bus.say(calls(tenant, 3, at=now - age, user_id=f"user-{age.days}", latency_ms=200), tenant.id)
        await bus.say(calls(tenant, 2, at=now - age, model="gpt-4o-mini", status="error"), tenant.id)
        spared = {"cached": "hit", "prompt_tokens": 0, "completion_tokens": 0, "cost_micro_usd": 0}
        await bus.say(calls(tenant, 1, at=now - age, saved_tokens=15, saved_micro_usd=9, **spared), tenant.id)
        await bus.say(calls(tenant, 1, at=now - age, operation="embeddings", internal=True), tenant.id)
    await arrived(as_tenant, tenant, 28, "?range=7d")
    for query in ("range=1h", "range=24h", "range=7d", "range=30d", f"from={rfc3339(now - ages[2])}&step=day"):
        found = await kpis(as_tenant, tenant, f"?{query}")
        span = f"from={found['from']}&to={found['to']}&limit=1000"
        if found["step"] != "minute":
            usage = await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/usage?{span}")
            rows = usage.body["items"]
            assert {n: sum(row[n] for row in rows) for n in SHARED} == {n: found["totals"][n] for n in SHARED}
        for name in SHARED:
            assert sum(bucket[name] for bucket in found["series"]) == found["totals"][name]
    day = (await kpis(as_tenant, tenant, "?range=24h"))["totals"]
    assert (day["okRequests"], day["failedRequests"], day["internalRequests"]) == (8, 4, 2)
    assert (day["errorRate"], day["cacheHitRate"], day["savedMicroUsd"]) == (round(4 / 12, 6), round(2 / 12, 6), 18)
    week = await kpis(as_tenant, tenant, "?range=7d")
    assert week["totals"]["activeUsers"] == 3
    assert [top["model"] for top in week["topModels"]] == ["gpt-4o", "gpt-4o-mini"]
    assert {top["userId"] for top in week["topUsers"]} == {"user-0", "user-1", "user-6"}


async def test_a_cached_answer_of_a_real_call_saves_money_by_the_price_table(as_tenant: Api, tenant: Tenant) -> None:
    question = f"What does a cached answer save, {new_id()}?"
    asked = 0

    async def saved() -> dict[str, Any] | None:
        nonlocal asked
        asked += 1
        assert (await as_tenant.chat(question)).status == 200
        found = (await kpis(as_tenant, tenant))["totals"]
        return found if found["cachedRequests"] >= 1 else None

    found = await eventually(saved)
    assert found is not None
    assert found["savedMicroUsd"] > 0
    assert found["savedTokens"] > 0
    assert found["latency"]["p95"] is not None


async def test_latencies_are_as_near_as_is_said(as_tenant: Api, tenant: Tenant, bus: Bus) -> None:
    for milliseconds in range(10, 1010, 10):
        await bus.say(calls(tenant, 1, latency_ms=milliseconds), tenant.id)
    latency = (await arrived(as_tenant, tenant, 100))["totals"]["latency"]
    for name, exact in (("p50", 500), ("p95", 950), ("p99", 990)):
        assert abs(latency[name] - exact) <= exact * latency["relativeError"]


async def test_a_call_given_up_that_ends_after_all_takes_its_place(as_tenant: Api, tenant: Tenant, bus: Bus) -> None:
    expired = record(tenant, status="expired", prompt_tokens=0, completion_tokens=0, cost_micro_usd=0)
    data = calls(tenant, 1)
    await bus.say(data.model_copy(update={"records": [expired]}), tenant.id)
    assert (await arrived(as_tenant, tenant, 1))["totals"]["failedRequests"] == 1
    ended = record(tenant, latency_ms=70).model_copy(update={"usage_id": expired.usage_id, "at": expired.at})
    await bus.say(data.model_copy(update={"records": [ended]}), tenant.id)

    async def replaced() -> bool:
        totals = (await kpis(as_tenant, tenant))["totals"]
        return bool(
            (totals["requests"], totals["okRequests"], totals["failedRequests"], totals["costMicroUsd"]) == (1, 1, 0, 7)
        )

    await eventually(replaced)


async def test_the_ceiling_and_what_is_left_of_it(as_tenant: Api, tenant: Tenant, bus: Bus) -> None:
    limit = {"subject": {"kind": "tenant"}, "metric": "cost", "window": "month", "limit": 1000}
    assert (await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/quotas", {"quotas": [limit]})).status == 200
    await bus.say(calls(tenant, 10, cost_micro_usd=95), tenant.id)
    found = await arrived(as_tenant, tenant, 10)
    budget = found["budget"]
    assert (budget["ceilingMicroUsd"], budget["spentMicroUsd"], budget["remainingMicroUsd"]) == (1000, 950, 50)
    assert (budget["used"], budget["burnMicroUsdPerDay"], budget["hard"]) == (0.95, 950, True)
    assert budget["forecastMicroUsd"] >= 950
    assert found["health"] == {"status": "degraded", "reasons": ["ceiling_near"]}


async def test_the_platforms_table_has_every_tenant_once(
    operator: Api, new_tenant: NewTenant, bus: Bus, as_tenant: Api
) -> None:
    made = [await new_tenant() for _ in range(3)]
    for count, each in enumerate(made, 1):
        await bus.say(calls(each, count), each.id)
        await arrived(operator, each, count)
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        reply = await operator.call("GET", f"/v1/kpis?limit=2{cursor}")
        assert reply.status == 200, reply.body
        seen += reply.body["byTenant"]["items"]
        if reply.body["byTenant"]["nextCursor"] is None:
            break
        cursor = f"&cursor={reply.body['byTenant']['nextCursor']}"
    by_id = {row["tenantId"]: row for row in seen}
    assert len(by_id) == len(seen)
    assert [by_id[each.id]["requests"] for each in made] == [1, 2, 3]
    assert reply.body["totals"]["requests"] >= 6
    assert sum(reply.body["tenants"].values()) >= len(seen)
    assert (await as_tenant.call("GET", "/v1/kpis")).status == 403


async def test_sums_of_all_together_are_those_of_each(
    platform: Platform, operator: Api, tenant: Tenant, bus: Bus
) -> None:
    """In one statement, whatever else goes on: sums of all are added up by a trigger, of the very rows."""
    import asyncpg

    now = utc_now()
    ages = (timedelta(), timedelta(hours=5), timedelta(days=9))
    batches = [calls(tenant, 3, at=now - age, model=model) for age in ages for model in ("a", "b", "a")]
    expired = record(tenant, status="expired", prompt_tokens=0, completion_tokens=0, cost_micro_usd=0)
    batches.append(batches[0].model_copy(update={"records": [expired]}))
    await asyncio.gather(*(bus.say(batch, tenant.id) for batch in batches))
    await arrived(operator, tenant, 28, "?range=30d")
    connection = await asyncpg.connect(platform.status["credentials"]["postgresUrl"])
    try:
        assert await connection.fetch(_NOT_TOGETHER) == []
        await connection.execute("DELETE FROM kpis WHERE tenant_id = $1 AND grain = 'hour' AND model = 'a'", tenant.id)
        await connection.execute("DELETE FROM kpi_latency WHERE tenant_id = $1 AND grain = 'day'", tenant.id)
        assert await connection.fetch(_NOT_TOGETHER) == []
    finally:
        await connection.close()


async def test_another_tenants_figures_are_refused(api: Api, tenant: Tenant, new_tenant: NewTenant) -> None:
    stranger = api.as_((await new_tenant()).key)
    for path in ("kpis", "live"):
        assert (await stranger.call("GET", f"/v1/tenants/{tenant.id}/{path}")).status == 403


@pytest.mark.parametrize(
    "query",
    ["range=2h", "step=week", "from=now", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
     "from=0001-01-01T00:00:00Z",
     "from=2020-01-01T00:00:00Z&step=hour", "colour=red", "to=1999-01-01T00:00:00Z"],
)  # fmt: skip
async def test_spans_that_cannot_be(as_tenant: Api, tenant: Tenant, query: str) -> None:
    assert (await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/kpis?{query}")).status == 422


async def test_the_reconciliation_repairs_what_is_not_the_ledgers(
    platform: Platform, operator: Api, tenant: Tenant, bus: Bus
) -> None:
    import asyncpg

    from functions.kit.settings import Settings
    from functions.platform.wiring_upkeep import reconciling

    await bus.say(calls(tenant, 4, latency_ms=100), tenant.id)
    before = await arrived(operator, tenant, 4, "?range=30d")
    connection = await asyncpg.connect(platform.status["credentials"]["postgresUrl"])
    await connection.execute("UPDATE kpis SET cost_micro_usd = 1, requests = 9 WHERE tenant_id = $1", tenant.id)
    await connection.execute("DELETE FROM kpi_latency WHERE tenant_id = $1", tenant.id)
    await connection.close()
    assert (await kpis(operator, tenant, "?range=30d"))["totals"]["requests"] == 9
    credentials = platform.status["credentials"]
    settings = Settings.model_validate(
        {"database_url": credentials["postgresUrl"], "redis_url": credentials["redisUrl"]}
    )
    async with reconciling(settings, patience=5) as reconcile:
        midnight: datetime = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
        report = await reconcile(midnight - timedelta(days=1), repair=True)
    mine = [drift for drift in report.drifts if drift.tenant_id == tenant.id]
    assert [(drift.what, drift.state) for drift in mine] == [("hour", "repaired")]
    after = await kpis(operator, tenant, "?range=30d")
    assert {**after["totals"]} == before["totals"]


async def test_both_at_once_is_one_sum(as_tenant: Api, tenant: Tenant, bus: Bus) -> None:
    batches = [calls(tenant, 5, model=model, latency_ms=ms) for model in ("a", "b") for ms in (1, 50, 900)]
    await asyncio.gather(*(bus.say(batch, tenant.id) for batch in batches))
    found = await arrived(as_tenant, tenant, 30)
    assert [(top["model"], top["requests"]) for top in found["topModels"]] == [("a", 15), ("b", 15)]
