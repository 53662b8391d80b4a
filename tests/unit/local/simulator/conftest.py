"""One simulator process for all tests of this folder; each test bills on a key of its own."""

import asyncio
import os
import socket
import sys
import time
import uuid
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

_START_SECONDS = 20.0


@dataclass(frozen=True)
class Simulator:
    """The running simulator, and a client session for it."""

    url: str
    http: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> Any:
        async with self.http.get(self.url + path, headers=headers) as response:
            return await response.json()

    async def post(self, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        async with self.http.post(self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def lines(self, path: str, body: Any, headers: dict[str, str]) -> list[str]:
        """The lines of a stream that are not empty."""
        async with self.http.post(self.url + path, json=body, headers=headers) as response:
            text = (await response.read()).decode()
        return [line for line in text.splitlines() if line]

    async def bill(self, key: str) -> dict[str, Any]:
        report = await self.get(f"/_sim/usage?key={key}")
        bill: dict[str, Any] = report["keys"][key]
        return bill

    async def fault(self, key: str, **rule: Any) -> None:
        status, answer = await self.post("/_sim/faults", {"key": key, **rule}, {})
        assert status == 201, answer


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def _until_ready(simulator: Simulator, process: Process) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.returncode is None, "the simulator ended"
        try:
            async with simulator.http.get(f"{simulator.url}/health/ready") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(0.02)
    pytest.fail("the simulator did not get ready")


@pytest.fixture(scope="session")
async def simulator() -> AsyncIterator[Simulator]:
    port = _free_port()
    environment = {**os.environ, "PORT": str(port)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "local.simulator", env=environment)
    try:
        # A connection that was idle may be closed by the server just as it is used again.
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as http:
            running = Simulator(f"http://127.0.0.1:{port}", http)
            await _until_ready(running, process)
            yield running
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)


@pytest.fixture
def key() -> str:
    return f"sk-{uuid.uuid4().hex}"


@pytest.fixture
async def openai(simulator: Simulator, key: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{simulator.url}/openai/v1", api_key=key, max_retries=0) as client:
        yield client
