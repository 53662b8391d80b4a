"""A small HTTP server in the functions' place: it records what it is sent and answers as it is told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from functions.kit.events import Event

Behaviour = Callable[["Call"], Awaitable[web.Response]]


@dataclass(frozen=True)
class Call:
    """One delivery."""

    function: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> Event:
        return Event.from_json(self.body)


def answer(status: int = 200, text: str = "", headers: dict[str, str] | None = None) -> web.Response:
    """What a function answers; functions name the request, see functions/kit/middleware.py."""
    return web.Response(status=status, text=text, headers={"X-Request-Id": "test", **(headers or {})})


async def succeed(_: Call) -> web.Response:
    return answer()


@dataclass
class Receiver:
    """Serves POST /fn/{name}."""

    behaviour: Behaviour = succeed
    calls: list[Call] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/fn/{{name}}"

    def ids(self) -> list[str]:
        """Ids of the events received, in order."""
        return [call.event.id for call in self.calls]

    def answer_in_turn(self, *answers: web.Response) -> None:
        """Give these answers, the last one for ever."""
        waiting = list(answers)

        async def behave(_: Call) -> web.Response:
            current = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return answer(current.status, current.text or "", dict(current.headers))

        self.behaviour = behave

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/fn/{name}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.Response:
        call = Call(
            request.match_info["name"],
            request.headers,
            await request.read(),
            asyncio.get_running_loop().time(),
        )
        self.calls.append(call)
        return await self.behaviour(call)
