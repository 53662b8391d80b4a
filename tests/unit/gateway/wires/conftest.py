"""A local provider and the HTTP layer that calls it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from functions.gateway.adapters.provider_http import ProviderHttp
from tests.unit.gateway.wires.provider import LocalProvider, calling, serving


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[LocalProvider]:
    async with serving() as local:
        yield local


@pytest_asyncio.fixture
async def http(provider: LocalProvider) -> AsyncIterator[ProviderHttp]:
    async with calling(provider.host) as client:
        yield client
