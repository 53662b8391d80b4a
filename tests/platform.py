"""The platform that integration tests run against: started once per run, a fresh tenant per test."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

Value = TypeVar("Value")
DCODER = str(Path(sys.executable).parent / "dcoder")


@dataclass(frozen=True)
class Platform:
    """A running platform.

    Attributes:
        spare_port: of this machine, where a test may put a provider of its own: the operator allows calls there.
    """

    home: str
    status: dict[str, Any]
    spare_port: int

    @property
    def edge(self) -> str:
        return str(self.status["edge"])

    @property
    def simulator(self) -> str:
        return str(self.status["components"]["simulator"]["address"])

    def dcoder(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_dcoder(self.home, *arguments)

    def token(self, *arguments: str) -> str:
        done = self.dcoder("token", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def pid(self, component: str) -> int:
        """The component's process now; a server that runs in a container has none here."""
        report = json.loads(self.dcoder("status", "--json").stdout)
        if component not in report["components"]:
            pytest.skip(f"{component} is not a process of this platform")
        return int(report["components"][component]["pid"])


@dataclass(frozen=True)
class Tenant:
    """A tenant of one test, with a provider on the simulator under a key of its own."""

    id: str
    slug: str
    database: str
    key: str
    key_id: str
    provider_key: str


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


class Api:
    """Calls the edge with one credential."""

    def __init__(self, session: aiohttp.ClientSession, base: str, credential: str = "") -> None:
        self.session = session
        self.base = base
        self.credential = credential

    def as_(self, credential: str) -> "Api":
        return Api(self.session, self.base, credential)

    async def call(self, method: str, path: str, body: Any = None, data: Any = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.credential:
            sent.setdefault("authorization", f"Bearer {self.credential}")
        if data is not None:
            sent.setdefault("content-type", "application/json")
        reply = await self._once(method, path, body, data, sent)
        while reply.status == 429 and "authorization" not in sent and "x-api-key" not in sent:
            # All tests call from one address, so they share what the edge allows callers without a credential.
            await asyncio.sleep(float(reply.headers["retry-after"]))
            reply = await self._once(method, path, body, data, sent)
        return reply

    async def _once(self, method: str, path: str, body: Any, data: Any, sent: dict[str, str]) -> Reply:
        async with self.session.request(method, self.base + path, json=body, data=data, headers=sent) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            lowered = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, lowered, json.loads(text) if is_json and text else text)

    async def chat(self, question: str, model: str = "openai/gpt-4o-mini", **options: Any) -> Reply:
        headers = options.pop("headers", {})
        body = {"model": model, "messages": [{"role": "user", "content": question}], **options}
        return await self.call("POST", "/v1/chat/completions", body, **headers)


def run_dcoder(home: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DCODER_HOME": home}
    return subprocess.run(
        [DCODER, *arguments], capture_output=True, text=True, check=False, timeout=180, env=environment
    )


@contextmanager
def running_platform(addresses: dict[str, str]) -> Iterator[Platform]:
    """Start the embedded stack in a folder of its own.

    Args:
        addresses: servers that run already, as `DCODER_USE_…` variables.
    """
    home = tempfile.mkdtemp(prefix="dcoder-test-")
    spare_port = unused_port()
    # Nobody listens at the first: a provider that is down.
    os.environ.update(addresses, DCODER_EGRESS_ALLOW=f"127.0.0.1:1,127.0.0.1:{spare_port}")
    try:
        started = run_dcoder(home, "up", "--detach")
        assert started.returncode == 0, started.stdout + started.stderr
        yield Platform(home, json.loads(run_dcoder(home, "status", "--json").stdout), spare_port)
    finally:
        run_dcoder(home, "down")
        shutil.rmtree(home, ignore_errors=True)


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as opened:
        yield opened


async def eventually(probe: Callable[[], Awaitable[Value]], seconds: float = 20.0) -> Value:
    """The first truthy answer of a probe; polls, because what is waited for happens in another process."""
    deadline = time.monotonic() + seconds
    while True:
        found = await probe()
        if found:
            return found
        assert time.monotonic() < deadline, f"did not happen within {seconds} s; last seen: {found!r}"
        await asyncio.sleep(0.05)
