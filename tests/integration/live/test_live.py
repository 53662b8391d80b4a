"""Live streams through the edge."""

import asyncio
import os
import signal
import socket
import sys
from typing import Any

import pytest

from scenarios.chaos.gateways import environment_of
from tests.integration.alerts.conftest import Bus, calls, crossed
from tests.integration.conftest import NewTenant
from tests.integration.live.conftest import Watch
from tests.platform import Api, Platform, Tenant, eventually

pytestmark = pytest.mark.integration


async def test_a_call_moves_the_figures_and_a_threshold_tells(as_tenant: Api, tenant: Tenant, watch: Watch) -> None:
    limit = {"subject": {"kind": "tenant"}, "metric": "requests", "window": "day", "limit": 1, "thresholds": [100]}
    await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/quotas", {"quotas": [limit]})
    async with watch(as_tenant, f"/v1/tenants/{tenant.id}/live") as stream:
        first = await stream.next()
        assert (first.event, first.data["alerts"], first.data["kpis"]["totals"]["requests"]) == ("snapshot", [], 0)
        asked = 0

        async def refused() -> bool:
            nonlocal asked
            asked += 1
            return (await as_tenant.chat(f"Is the tide in, {asked}?")).status == 429

        await eventually(refused)
        alert = await stream.next("alert")
        assert (alert.data["kind"], alert.data["details"]["threshold"]) == ("quota", 100)
        while (moved := await stream.next("kpis")).data["totals"]["requests"] < 1:
            pass
        assert moved.data["openAlerts"]["critical"] == 1


async def test_who_comes_back_with_an_id_misses_nothing(as_tenant: Api, tenant: Tenant, bus: Bus, watch: Watch) -> None:
    path = f"/v1/tenants/{tenant.id}/live"
    async with watch(as_tenant, path) as stream:
        await stream.next("snapshot")
        await bus.say(crossed(tenant, 80), tenant.id)
        seen = await stream.next("alert")
    await bus.say(crossed(tenant, 90), tenant.id)
    await bus.say(crossed(tenant, 100), tenant.id)
    async with watch(as_tenant, path, seen.id) as stream:
        missed = {(await stream.next("alert")).data["details"]["threshold"] for _ in range(2)}
        assert missed == {90, 100}
    async with watch(as_tenant, path, "0-1") as stream:
        anew = await stream.next()
        assert anew.event == "reset"
        assert len(anew.data["alerts"]) == 3


async def test_nobody_sees_anothers(
    as_tenant: Api, api: Api, operator: Api, tenant: Tenant, new_tenant: NewTenant, bus: Bus, watch: Watch
) -> None:
    other = await new_tenant()
    async with (
        watch(as_tenant, f"/v1/tenants/{tenant.id}/live") as mine,
        watch(api.as_(other.key), f"/v1/tenants/{other.id}/live") as theirs,
        watch(operator, "/v1/live") as all_,
    ):
        for stream in (mine, theirs, all_):
            await stream.next("snapshot")
        for each in (tenant, other, tenant):
            await bus.say(crossed(each), each.id)
            await bus.say(calls(each, 1), each.id)
        assert {(await mine.next("alert")).data["tenantId"] for _ in range(2)} == {tenant.id}
        assert (await theirs.next("alert")).data["tenantId"] == other.id
        told: set[Any] = set()
        while not {tenant.id, other.id} <= told:
            told.add((await all_.next("alert")).data["tenantId"])
        while (await all_.next("kpis")).data["totals"]["requests"] < 3:
            pass
        assert (await theirs.next("kpis")).data["tenantId"] == other.id
    for path in ("/v1/live", f"/v1/tenants/{other.id}/live"):
        assert (await as_tenant.call("GET", path)).status == 403


async def test_many_streams_are_one_consumer(as_tenant: Api, tenant: Tenant, bus: Bus, watch: Watch) -> None:
    jetstream = bus.client.jetstream()

    async def consumers() -> int:
        return int((await jetstream.stream_info("DCODER")).state.consumer_count)

    async with watch(as_tenant, f"/v1/tenants/{tenant.id}/live") as stream:
        await stream.next("snapshot")
        before = await consumers()
        streams = [watch(as_tenant, f"/v1/tenants/{tenant.id}/live") for _ in range(30)]
        opened = await asyncio.gather(*(each.__aenter__() for each in streams))
        await asyncio.gather(*(each.next("snapshot") for each in opened))
        assert await consumers() == before
        await bus.say(crossed(tenant), tenant.id)
        assert {(await each.next("alert")).data["tenantId"] for each in opened} == {tenant.id}
        for each in streams:
            await each.__aexit__(None, None, None)


async def test_streams_end_at_once_when_the_process_is_told_to_stop(
    platform: Platform, api: Api, tenant: Tenant, watch: Watch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, **environment_of(platform.pid("api")), "PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "functions.kit.serve", "platform-live", env=environment
    )
    own = Api(api.session, f"http://127.0.0.1:{port}", tenant.key)

    async def serves() -> bool:
        try:
            return (await own.call("GET", "/health/live")).status == 200
        except OSError:
            return False

    try:
        await eventually(serves)
        async with watch(own, f"/v1/tenants/{tenant.id}/live") as stream:
            await stream.next("snapshot")
            process.send_signal(signal.SIGTERM)
            # A whole answer: one that is cut off raises here.
            rest = await stream.response.content.read()
            assert b"reset" not in rest
        assert await asyncio.wait_for(process.wait(), 20) in {0, -signal.SIGTERM}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
