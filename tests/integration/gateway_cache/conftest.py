"""A Redis with vector search for these tests alone, emptied for each, and one without."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.gateway_cache.stores import Store
from tests.integration.stateful.nats.servers import Server, redis_server


@pytest.fixture(scope="session")
def searching_redis() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="dcoder-cache-"))
    server = redis_server(folder, searching=True)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture
async def store(searching_redis: Server) -> AsyncIterator[Store]:
    if not searching_redis.running:
        searching_redis.start()
    async with Store.on(searching_redis) as opened:
        await opened.client.flushall()
        yield opened


@pytest_asyncio.fixture
async def plain_store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store on a Redis without the search module."""
    server = redis_server(tmp_path)
    server.start()
    try:
        async with Store.on(server) as opened:
            yield opened
    finally:
        server.kill()
