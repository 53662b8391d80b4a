"""Counts that have drifted apart are found and put right, and only those."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.gateway.adapters.postgres_limits import PostgresLimitDirectory
from functions.gateway.core.quota import Limit, Need, Subjects, holds
from functions.kit.database import UnitOfWork
from functions.kit.identifiers import new_id
from functions.kit.quotas import span_of
from functions.kit.runtime import Runtime
from functions.kit.subjects import QuotaUpdated, UsageRecord
from functions.platform.adapters.postgres_ledger import PostgresLedger
from functions.platform.adapters.redis_counters import RedisCounters
from functions.platform.core.models import ProvisionedTenant
from functions.platform.core.reconcile_quotas import Drift, ReconcileQuotas
from functions.platform.wiring import Platform
from tests.integration.platform.conftest import Caller
from tests.integration.quotas.gateways import Books, meters
from tests.integration.quotas.test_limits_api import on, put, record, used
from tests.integration.stateful.nats.servers import Server

pytestmark = pytest.mark.integration


class Stage:
    """A tenant with two limits, a gateway that settles, and a mirror that is told of it."""

    def __init__(self, tenant: ProvisionedTenant, runtime: Runtime, use: Platform, meter: Any, limits: Any) -> None:
        self.tenant = tenant
        self.runtime = runtime
        self.use = use
        self.meter = meter
        self.limits: tuple[Limit, ...] = limits

    async def call(self, *, mirrored: bool = True) -> None:
        one = record(self.tenant)
        await self.meter.begin(one, self.limits, held=False).finish()
        if mirrored:
            await self.mirror(one)

    async def mirror(self, one: UsageRecord) -> None:
        async with UnitOfWork(self.runtime.databases):
            await self.use.mirror_usage(QuotaUpdated(tenant_id=one.tenant_id, records=[one]))

    async def execute(self, statement: str) -> None:
        async with self.runtime.databases.acquire() as session:
            await session.execute(statement, self.tenant.tenant.id)


@pytest.fixture
async def stage(
    caller: Caller,
    provisioned: ProvisionedTenant,
    runtime: Runtime,
    use: Platform,
    redis_process: Server,
    books: Books,
    stack: AsyncExitStack,
    tmp_path: Path,
) -> Stage:
    await put(caller, provisioned, on("tenant"), on("tenant", metric="tokens", window="month", limit=1000))
    (meter,) = await meters(stack, redis_process.port, tmp_path, 1)
    found = await PostgresLimitDirectory(runtime.databases, stale=60).limits(provisioned.tenant.id)
    made = Stage(provisioned, runtime, use, meter, found.applying(Subjects("openai", "gpt-4o")))
    for _ in range(3):
        await made.call()
    await books.client.delete("usage:pending")
    return made


@pytest.fixture
def reconcile(runtime: Runtime, books: Books) -> Any:
    async def run(stage: Stage, *, repair: bool = True, patience: float = 20) -> list[Drift]:
        use = ReconcileQuotas(
            PostgresLedger(runtime.databases), RedisCounters(books.client), patience=patience, look_every=0.01
        )
        report = await use(datetime.now(UTC) - timedelta(days=2), repair=repair)
        return [drift for drift in report.drifts if drift.tenant_id == stage.tenant.tenant.id]

    return run


def summary(drifts: list[Drift]) -> set[tuple[str, int, int, str]]:
    return {(drift.what, drift.had, drift.should, drift.state) for drift in drifts}


async def test_what_agrees_is_left_alone(stage: Stage, reconcile: Any, caller: Caller) -> None:
    assert await reconcile(stage) == []
    assert sorted(await used(caller, stage.tenant)) == [3, 45]


async def test_what_redis_lost_or_has_too_much_is_put_right(stage: Stage, reconcile: Any, books: Books) -> None:
    requests, tokens = sorted(stage.limits, key=lambda limit: limit.metric)
    now = datetime.now(UTC)
    await books.client.hset(requests.key(span_of(requests.window, now)), "used", "1")
    await books.client.hset(tokens.key(span_of(tokens.window, now)), "used", "500")
    found = {("redis", 1, 3, "found"), ("redis", 500, 45, "found")}
    assert summary(await reconcile(stage, repair=False)) == found
    assert summary(await reconcile(stage)) == {(*one[:3], "repaired") for one in found}
    assert await reconcile(stage) == []
    assert await books.client.hget(requests.key(span_of(requests.window, now)), "used") == b"3"


async def test_what_is_on_its_way_is_no_drift(stage: Stage, reconcile: Any, books: Books) -> None:
    await stage.call(mirrored=False)
    assert summary(await reconcile(stage, patience=0.2)) == {("redis", 4, 3, "busy"), ("redis", 60, 45, "busy")}
    requests = next(limit for limit in stage.limits if limit.metric == "requests")
    assert await books.client.hget(requests.key(span_of(requests.window, datetime.now(UTC))), "used") == b"4"


async def test_while_calls_go_on_a_loss_is_still_found(stage: Stage, reconcile: Any, books: Books) -> None:
    requests = next(limit for limit in stage.limits if limit.metric == "requests")
    key = requests.key(span_of(requests.window, datetime.now(UTC)))
    for _ in range(47):
        await stage.call()
    await books.client.hincrby(key, "used", -40)
    until = time.monotonic() + 0.5

    async def calls() -> int:
        count = 0
        while time.monotonic() < until:
            await stage.call()
            await books.client.delete("usage:pending")
            count += 1
        return count

    count, _ = await asyncio.gather(calls(), reconcile(stage, patience=0.3))
    counted = int(await books.client.hget(key, "used") or 0)
    assert 50 + count - 20 < counted <= 50 + count
    await reconcile(stage)
    assert int(await books.client.hget(key, "used") or 0) == 50 + count


async def test_a_mirror_that_lost_count_is_put_right(stage: Stage, reconcile: Any, caller: Caller) -> None:
    await stage.execute(
        "UPDATE quota_counters SET used = 7 WHERE quota_id IN (SELECT id FROM quotas WHERE tenant_id = $1)"
    )
    found = {drift for drift in summary(await reconcile(stage)) if drift[0] == "mirror"}
    assert found == {("mirror", 7, 3, "repaired"), ("mirror", 7, 45, "repaired")}
    assert sorted(await used(caller, stage.tenant)) == [3, 45]
    assert await reconcile(stage) == []


async def test_hours_that_are_not_the_ledger_s_are_summed_up_anew(stage: Stage, reconcile: Any) -> None:
    await stage.mirror(record(stage.tenant, at=datetime.now(UTC) - timedelta(hours=30), groups=["g"]))
    await stage.execute("UPDATE usage_hourly SET prompt_tokens = 1 WHERE tenant_id = $1")
    await stage.execute("DELETE FROM usage_hourly WHERE tenant_id = $1 AND bucket < now() - interval '12 hours'")
    drifts = [drift for drift in await reconcile(stage) if drift.what == "hour"]
    assert sorted((drift.had, drift.should, drift.state) for drift in drifts) == [
        (0, 1, "repaired"),
        (3, 3, "repaired"),
    ]
    assert await reconcile(stage) == []


async def test_a_call_given_up_and_found_again_is_no_drift(stage: Stage, reconcile: Any) -> None:
    one = record(stage.tenant, cached="hit")
    none = {"prompt_tokens": 0, "completion_tokens": 0, "cost_micro_usd": 0}
    await stage.mirror(one.model_copy(update={"status": "expired", "cached": "miss", **none}))
    await stage.mirror(one)
    await stage.meter.begin(one, stage.limits, held=False).finish()
    assert [drift for drift in await reconcile(stage, patience=0.1) if drift.what != "redis"] == []


async def test_what_is_held_for_nobody_is_given_back(stage: Stage, reconcile: Any, books: Books) -> None:
    requests, tokens = sorted(stage.limits, key=lambda limit: limit.metric)
    now = datetime.now(UTC)
    call = record(stage.tenant, usage_id=new_id(), status="expired")
    await stage.meter.reserve(call, holds(stage.limits, Need(tokens=5, completion=10), now), 10)
    await books.client.hincrby(tokens.key(span_of(tokens.window, now)), "reserved", 200)
    await books.client.hset(requests.key(span_of(requests.window, now)), "reserved", "0")
    found = {("reserved", 215, 15, "repaired"), ("reserved", 0, 1, "repaired")}
    assert summary(await reconcile(stage)) == found
    assert await reconcile(stage) == []
    await stage.meter.release(call.usage_id)
    assert await books.client.hget(tokens.key(span_of(tokens.window, now)), "reserved") == b"0"


async def test_calls_that_failed_before_they_were_no_requests_are_put_right_once(
    stage: Stage, reconcile: Any, books: Books, caller: Caller
) -> None:
    """Until failed calls without a token were taken out of limits on requests, such a row counted as one."""
    none = {"prompt_tokens": 0, "completion_tokens": 0, "cost_micro_usd": 0}
    one = record(stage.tenant).model_copy(update=none)
    await stage.meter.begin(one, stage.limits, held=False).finish()
    await stage.mirror(one)
    await books.client.delete("usage:pending")
    await stage.execute("UPDATE usage_ledger SET status = 'error' WHERE tenant_id = $1 AND prompt_tokens = 0")
    await stage.execute("UPDATE usage_hourly SET failed_requests = failed_requests + 1 WHERE tenant_id = $1")
    assert sorted(await used(caller, stage.tenant)) == [4, 45]
    found = {("hour", 4, 4, "repaired"), ("mirror", 4, 3, "repaired"), ("redis", 4, 3, "repaired")}
    assert summary(await reconcile(stage)) == found
    assert sorted(await used(caller, stage.tenant)) == [3, 45]
    assert await reconcile(stage) == []
