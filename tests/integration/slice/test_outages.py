"""Servers that die and come back: clear errors meanwhile, nothing lost after."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import aiohttp
import psutil
import pytest

from tests.integration.slice.test_chat import bill, totals
from tests.platform import Api, Platform, Tenant, eventually


@contextmanager
def stopped(platform: Platform, component: str) -> Iterator[None]:
    """The component neither answers nor refuses: the worst kind of outage."""
    server = psutil.Process(platform.pid(component))
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        # A server's workers come and go.
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@pytest.mark.parametrize("component", ["postgres", "redis", "nats", "dispatcher", "llm", "api", "events", "edge"])
async def test_killed_and_restarted_the_platform_heals_and_counts_every_call(
    platform: Platform, api: Api, tenant: Tenant, component: str
) -> None:
    asking = api.as_(tenant.key)
    done = 0

    async def ask(number: int) -> bool:
        nonlocal done
        try:
            reply = await asking.chat(
                f"Outage of {component}, question {number}?", headers={"cache_control": "no-store"}
            )
        except (OSError, aiohttp.ClientError):
            return False
        if reply.status == 200:
            done += 1
            return True
        assert reply.status in {502, 503, 504}, reply.body
        assert reply.body["error"]["code"]
        return False

    assert await ask(0)
    os.kill(platform.pid(component), signal.SIGKILL)
    for number in range(1, 6):
        await ask(number)
    assert await eventually(lambda: ask(100), 90)

    async def readable() -> bool:
        try:
            return (await asking.call("GET", f"/v1/tenants/{tenant.id}/usage")).status == 200
        except (OSError, aiohttp.ClientError):
            return False

    assert await eventually(readable, 90)
    billed = (await bill(api, platform, tenant))["chatCalls"]
    # A message that the dead process held is delivered again after the ack wait of 30 seconds.
    sums = await totals(asking, tenant, billed, 60)
    assert sums["requests"] == billed >= done


async def test_a_postgres_that_is_killed_while_it_hangs_comes_back(
    platform: Platform, api: Api, tenant: Tenant
) -> None:
    server = psutil.Process(platform.pid("postgres"))
    for process in [server, *server.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    server.kill()

    async def readable() -> bool:
        return (await api.as_(tenant.key).call("GET", f"/v1/tenants/{tenant.id}/usage")).status == 200

    assert await eventually(readable, 90)


async def test_while_postgres_hangs_known_keys_go_on_and_others_are_not_called_wrong(
    platform: Platform, api: Api, tenant: Tenant
) -> None:
    asking = api.as_(tenant.key)
    assert (await asking.chat("Known before the outage?")).status == 200
    with stopped(platform, "postgres"):
        refusing = asyncio.create_task(api.as_("dck_" + "q" * 40).chat("Unknown key?"))
        # For longer than what is known of a key is trusted unasked.
        while not refusing.done():
            reply = await asking.chat("And during the outage?", headers={"cache_control": "no-store"})
            assert reply.status == 200, reply.body
            await asyncio.sleep(0.05)  # the tenant's limit at the edge
        reply = await refusing
        assert (reply.status, reply.code) == (503, "dependency_unavailable")
        assert int(reply.headers["retry-after"]) >= 1


async def test_while_redis_hangs_answers_go_on_and_are_counted_later(
    platform: Platform, api: Api, tenant: Tenant
) -> None:
    asking = api.as_(tenant.key)
    assert (await asking.chat("Before redis hangs?", headers={"cache_control": "no-store"})).status == 200
    with stopped(platform, "redis"):
        for number in range(3):
            reply = await asking.chat(f"While redis hangs {number}?", headers={"cache_control": "no-store"})
            assert reply.status == 200, reply.body
    sums = await totals(asking, tenant, 4)
    assert sums["requests"] == 4
