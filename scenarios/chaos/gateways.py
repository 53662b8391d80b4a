"""Gateways beside the running platform's own: more processes on the same Redis, to race each other and to be killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import aiohttp
import psutil

from scenarios.platform import ScenarioError

_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """A process of the gateway's functions."""

    address: str
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


def environment_of(pid: int) -> dict[str, str]:
    """The settings that a running component was started with."""
    return psutil.Process(pid).environ()


@asynccontextmanager
async def gateways(count: int, environment: Mapping[str, str]) -> AsyncIterator[list[Gateway]]:
    """Start gateways and wait until they answer; they are gone after the block.

    Raises:
        ScenarioError: one does not come up.
    """
    with ExitStack() as stack:
        started = [stack.enter_context(_gateway(environment)) for _ in range(count)]
        await asyncio.gather(*(_ready(gateway) for gateway in started))
        yield started


@contextmanager
def _gateway(environment: Mapping[str, str]) -> Iterator[Gateway]:
    port = _free_port()
    settings = {**os.environ, **environment, "PORT": str(port)}
    command = [sys.executable, "-P", "-m", "local.embedded.host", "llm"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=settings, stdout=log, stderr=log)
        try:
            yield Gateway(f"http://127.0.0.1:{port}", process)
        finally:
            process.kill()
            process.wait(10)


async def _ready(gateway: Gateway) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        for _ in range(int(_READY_SECONDS / 0.1)):
            try:
                async with session.get(f"{gateway.address}/health/ready") as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1)
    raise ScenarioError(f"the gateway at {gateway.address} does not come up")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
