"""A Redis that takes connections and commands and answers none: one call in a while waits for it, no others."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from functions.gateway.adapters.redis_link import RedisAway, RedisLink
from tests.integration.quotas.gateways import Books
from tests.integration.stateful.nats.servers import Server

pytestmark = pytest.mark.integration


async def test_a_redis_that_hangs_is_left_alone(redis_process: Server, books: Books, stack: AsyncExitStack) -> None:
    link = RedisLink(f"redis://127.0.0.1:{redis_process.port}/0", timeout_seconds=1.2, rest_seconds=1.0)
    stack.push_async_callback(link.close)
    await link.execute("PING")
    redis_process.pause()
    try:
        with pytest.raises(RedisAway, match="closed"):
            await link.execute("PING")
        with pytest.raises(RedisAway, match="a moment ago"):
            await link.execute("PING")
        link._resting_until = 0.0
        with pytest.raises(RedisAway, match="in time"):
            await link.execute("PING")
        # Longer than it may rest has passed since the attempt began.
        with pytest.raises(RedisAway, match="a moment ago"):
            await link.execute("PING")
        probing = asyncio.create_task(_until_tried(link))
        await asyncio.sleep(0)
        with pytest.raises(RedisAway, match="a moment ago"):
            await link.execute("PING")
        probing.cancel()
    finally:
        redis_process.resume()
    async with asyncio.timeout(20):
        await _until_tried(link)


async def _until_tried(link: RedisLink) -> None:
    """Ask until Redis answers, or for ever."""
    while True:
        with suppress(RedisAway):
            await link.execute("PING")
            return
        await asyncio.sleep(0.01)
