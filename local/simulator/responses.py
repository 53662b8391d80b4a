"""ASGI responses that can misbehave, and that bill a stream while it runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from local.simulator.billing import Bill
from local.simulator.connection import connection_of
from local.simulator.faults import Conduct, Fault

_HANG_SECONDS = 600.0
_CLOSE_SECONDS = 5.0
_LONG_LINE = b" " * (1024 * 1024)
_HALF_JSON = b'{"id": "chatcmpl-\x00\xff", "choices": [{"delta": {"content": "unfin'
_PROXY_PAGE = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a stream, with the tokens that it delivers and that are billed when it is sent."""

    data: bytes
    tokens: int = 0


class Departure:
    """Knows when the client has left."""

    def __init__(self, left: asyncio.Task[None]) -> None:
        self._left = left

    async def within(self, seconds: float) -> bool:
        """Wait up to `seconds`; whether the client has left."""
        await asyncio.wait({self._left}, timeout=seconds)
        return self._left.done()


@asynccontextmanager
async def departure(receive: Receive) -> AsyncIterator[Departure]:
    """Watch for the client's departure while a response, whose request body was read, is under way."""
    task = asyncio.create_task(_left(receive))
    try:
        yield Departure(task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def padded(data: bytes) -> bytes:
    """The JSON in `data` made a mebibyte longer by spaces, which its meaning ignores."""
    head, brace, tail = data.rpartition(b"}")
    return head + _LONG_LINE + brace + tail if brace else data


class JsonReply:
    """A whole JSON answer."""

    def __init__(self, status: int, body: bytes, conduct: Conduct, headers: Headers = ()) -> None:
        self._status = status
        self._conduct = conduct
        self._body = padded(body) if conduct.fault is Fault.LONG_LINE else body
        length = str(len(self._body)).encode()
        self._headers = [(b"content-type", b"application/json"), (b"content-length", length), *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, or half of it when the call shall be cut or hang."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        if self._conduct.fault not in {Fault.CUT_MID_STREAM, Fault.HANG_MID_STREAM}:
            await send({"type": "http.response.body", "body": self._body})
            return
        await send({"type": "http.response.body", "body": self._body[: len(self._body) // 2], "more_body": True})
        async with departure(receive) as client:
            await _break_off(self._conduct, scope, client)


class StreamReply:
    """A stream of frames, each billed when it is sent."""

    def __init__(
        self,
        frames: Sequence[Frame],
        media_type: str,
        *,
        bill: Bill,
        conduct: Conduct,
        error: bytes,
        headers: Headers = (),
    ) -> None:
        """Takes the frames of the whole answer, and the frame that reports an error in the middle of one."""
        self._frames = frames
        self._headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-cache"), *headers]
        self._bill = bill
        self._conduct = conduct
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream to the end, to the fault, or until the client leaves."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        async with departure(receive) as client:
            for index, frame in enumerate(self._planned()):
                if await client.within(self._conduct.chunk_delay if index else 0):
                    self._bill.cancelled()
                    return
                self._bill.completion(frame.tokens)
                await send({"type": "http.response.body", "body": frame.data, "more_body": True})
            if self._conduct.fault in {Fault.CUT_MID_STREAM, Fault.HANG_MID_STREAM}:
                await _break_off(self._conduct, scope, client)
                if self._conduct.fault is Fault.HANG_MID_STREAM:
                    self._bill.cancelled()
                return
        await send({"type": "http.response.body", "body": b""})

    def _planned(self) -> Sequence[Frame]:
        fault = self._conduct.fault
        if fault is Fault.LONG_LINE and self._frames:
            return [Frame(padded(self._frames[0].data), self._frames[0].tokens), *self._frames[1:]]
        if fault in {Fault.CUT_MID_STREAM, Fault.HANG_MID_STREAM}:
            return self._first_half()
        return [*self._first_half(), Frame(self._error)] if fault is Fault.ERROR_MID_STREAM else self._frames

    def _first_half(self) -> Sequence[Frame]:
        """Up to and with the frame that brings half of the frames with tokens, at least one."""
        places = [index for index, frame in enumerate(self._frames) if frame.tokens]
        if not places:
            return self._frames[: len(self._frames) // 2]
        return self._frames[: places[(len(places) - 1) // 2] + 1]


async def _break_off(conduct: Conduct, scope: Scope, client: Departure) -> None:
    if conduct.fault is Fault.HANG_MID_STREAM:
        await client.within(_HANG_SECONDS)
        return
    connection_of(scope).close()
    await client.within(_CLOSE_SECONDS)


class SilentReply:
    """No answer: the connection hangs until the client leaves, or is reset."""

    def __init__(self, *, reset: bool) -> None:
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Hang or reset."""
        async with departure(receive) as client:
            if self._reset:
                connection_of(scope).reset()
            await client.within(_CLOSE_SECONDS if self._reset else _HANG_SECONDS)


class DamagedReply:
    """A 200 whose body is not what its media type says, or not the media type that was asked for."""

    def __init__(self, fault: Fault, *, stream: bool) -> None:
        if fault is Fault.WRONG_CONTENT_TYPE:
            self._media_type, self._body = b"text/html", _PROXY_PAGE
        elif stream:
            self._media_type, self._body = b"text/event-stream", b"data: " + _HALF_JSON + b"\n\n"
        else:
            self._media_type, self._body = b"application/json", _HALF_JSON

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the damaged answer whole."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", self._media_type)]})
        await send({"type": "http.response.body", "body": self._body})
