"""A client of the live streams that can leave and come back."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.integration.alerts.conftest import bus
from tests.platform import Api

__all__ = ["bus"]


@dataclass(frozen=True)
class Sent:
    """One event of a stream."""

    event: str
    id: str
    data: dict[str, Any]


class Stream:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, event: str | None = None) -> Sent:
        """The next event, or the next of a kind; fails when the stream ends."""
        while True:
            fields: dict[str, str] = {}
            while line := (await self._line()).strip():
                name, _, value = line.partition(": ")
                fields[name] = value
            if "event" in fields and event in {None, fields["event"]}:
                return Sent(fields["event"], fields["id"], json.loads(fields["data"]))

    async def _line(self) -> str:
        line = await self.response.content.readline()
        assert line, "the stream has ended"
        return line.decode()


Watch = Callable[..., Any]


@pytest.fixture
def watch() -> Watch:
    @asynccontextmanager
    async def open_(api: Api, path: str, last_id: str = "") -> AsyncIterator[Stream]:
        headers = {"authorization": f"Bearer {api.credential}", **({"Last-Event-ID": last_id} if last_id else {})}
        async with api.session.get(f"{api.base}{path}", headers=headers) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            yield Stream(response)

    return open_
