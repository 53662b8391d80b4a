"""One simulator for the folder; each test has a key, and so a bill, of its own."""

import asyncio
import os
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from functions.gateway.adapters.anthropic_wire import AnthropicWire
from functions.gateway.adapters.google_wire import GoogleWire
from functions.gateway.adapters.http_client import HttpClient
from functions.gateway.adapters.openai_wire import OpenAIWire
from functions.gateway.adapters.provider_http import ProviderHttp
from functions.gateway.adapters.retries import RetryPolicy
from functions.gateway.adapters.vertex_credentials import VertexCredentials
from functions.gateway.adapters.vertex_wire import VertexWire
from functions.gateway.core.models import Provider, Target
from functions.gateway.core.ports import ChatWire
from functions.kit.egress import EgressPolicy

Json = dict[str, Any]

PATHS = {
    "openai": "/openai/v1",
    "groq": "/groq/openai/v1",
    "anthropic": "/anthropic/v1",
    "google": "/google/v1beta",
    "vertex": "/vertex/v1/projects/p/locations/global",
}
_START_SECONDS = 30.0


@dataclass(frozen=True)
class Side:
    """One provider's wire, and what the simulator billed for it."""

    kind: str
    wire: ChatWire
    target: Target
    session: aiohttp.ClientSession
    url: str

    def model(self, model: str) -> Target:
        return Target(self.target.provider, model)

    async def chunks(self, body: Json) -> list[Json]:
        async with self.wire.stream(self.target, body) as chunks:
            return [chunk async for chunk in chunks]

    async def bill(self) -> Json:
        key = self.target.provider.api_key
        async with self.session.get(f"{self.url}/_sim/usage", params={"key": key}) as response:
            bill: Json = (await response.json())["keys"].get(key, {})
        return bill

    async def fault(self, fault: str, **more: Any) -> None:
        rule = {"key": self.target.provider.api_key, "fault": fault, **more}
        async with self.session.post(f"{self.url}/_sim/faults", json=rule) as response:
            assert response.status == 201


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest_asyncio.fixture(scope="session")
async def simulator() -> AsyncIterator[str]:
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.simulator", env={**os.environ, "PORT": str(port)}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await _until_ready(url)
        yield url
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)


async def _until_ready(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/health/ready") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            assert time.monotonic() < deadline, "the simulator did not start"
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture(params=list(PATHS))
async def side(request: pytest.FixtureRequest, simulator: str) -> AsyncIterator[Side]:
    kind: str = request.param
    egress = EgressPolicy([simulator.removeprefix("http://")])
    async with aiohttp.ClientSession() as session:
        client = HttpClient(egress.resolver(), connect_seconds=5, silence_seconds=0.5)
        http = ProviderHttp(client, egress, retries=RetryPolicy(first_pause=0.001))
        openai = OpenAIWire(http)
        wires: dict[str, ChatWire] = {
            "openai": openai,
            "groq": openai,
            "anthropic": AnthropicWire(http),
            "google": GoogleWire(http),
            "vertex": VertexWire(http, VertexCredentials(http, egress)),
        }
        key = f"key-{uuid.uuid4().hex}"
        provider = Provider(name=kind, kind=kind, base_url=simulator + PATHS[kind], api_key=key)
        yield Side(kind, wires[kind], Target(provider, "sim-chat"), session, simulator)
        await client.close()
