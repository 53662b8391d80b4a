"""The running platform as a scenario sees it: its addresses, and a client that speaks its API."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

DCODER = shutil.which("dcoder", path=str(Path(sys.executable).parent)) or "dcoder"


class ScenarioError(Exception):
    """A step did not end as it should; the message says how it ended."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the platform."""

    status: int
    headers: Mapping[str, str]
    body: Any

    def expect(self, status: int) -> "Reply":
        """The reply itself, if it has this status.

        Raises:
            ScenarioError: it has another.
        """
        if self.status != status:
            raise ScenarioError(f"expected {status}, got {self.status}: {json.dumps(self.body)[:400]}")
        return self


class Client:
    """Calls the platform's API with one credential."""

    def __init__(self, session: aiohttp.ClientSession, base: str, credential: str = "") -> None:
        self._session = session
        self._base = base
        self._credential = credential

    def as_(self, credential: str) -> "Client":
        """The same client with another credential."""
        return Client(self._session, self._base, credential)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One call; `headers` take underscores for hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._credential:
            sent["authorization"] = f"Bearer {self._credential}"
        async with self._session.request(method, self._base + path, json=body, headers=sent) as response:
            text = await response.text()
            kind = response.content_type
            return Reply(response.status, response.headers, json.loads(text) if kind == "application/json" else text)

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
        """Server-sent events as they come: the event's name and its data.

        Raises:
            ScenarioError: it is no such stream.
        """
        headers = {"authorization": f"Bearer {self._credential}"}
        async with self._session.get(self._base + path, headers=headers) as response:
            if response.status != 200:
                raise ScenarioError(f"expected a stream, got {response.status}: {(await response.text())[:400]}")
            yield _events(response)

    async def stream(self, path: str, body: Any) -> AsyncIterator[dict[str, Any]]:
        """The data of a stream's events until `[DONE]`.

        Raises:
            ScenarioError: it is not a stream, or breaks off.
        """
        headers = {"authorization": f"Bearer {self._credential}"}
        async with self._session.post(self._base + path, json=body, headers=headers) as response:
            if response.status != 200:
                raise ScenarioError(f"expected a stream, got {response.status}: {(await response.text())[:400]}")
            async for line in response.content:
                data = line.decode().removeprefix("data: ").strip()
                if data == "[DONE]":
                    return
                if data:
                    yield json.loads(data)
        raise ScenarioError("the stream ended without [DONE]")


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in response.content:
        field, _, value = line.decode().strip().partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


@asynccontextmanager
async def client(base: str) -> AsyncIterator[Client]:
    """A client without a credential yet."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield Client(session, base)


def dcoder(*arguments: str) -> str:
    """What a `dcoder` command prints.

    Raises:
        ScenarioError: it failed.
    """
    done = subprocess.run([DCODER, *arguments], capture_output=True, text=True, check=False, timeout=180)
    if done.returncode:
        raise ScenarioError(f"dcoder {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def status() -> dict[str, Any] | None:
    """The platform's status, or None when it does not run."""
    done = subprocess.run([DCODER, "status", "--json"], capture_output=True, text=True, check=False, timeout=60)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return None
    return report if report.get("ready") else None


async def eventually(probe: Any, what: str, seconds: float = 15.0) -> Any:
    """The first truthy answer of an async probe.

    Raises:
        ScenarioError: none came in time.
    """
    try:
        async with asyncio.timeout(seconds):
            while not (found := await probe()):  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.05)
            return found
    except TimeoutError as error:
        raise ScenarioError(f"{what} did not happen within {seconds:.0f} s") from error
