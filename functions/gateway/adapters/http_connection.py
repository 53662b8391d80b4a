"""One HTTP/1.1 connection to a provider: a request, its answer piece by piece, and the next request.

Written on httptools, the parser that the server uses too. docs/adr/0032 says why it is not a library's client.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Final, Self, cast

import httptools

_LARGEST_HEAD: Final = 64 * 1024
# Received and not yet read, from which on the provider is made to wait.
_MOST_UNREAD: Final = 256 * 1024
_LARGEST_PIECE: Final = 1024 * 1024
_ENCODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
# Tells gzip from zlib by itself.
_ANY_WINDOW: Final = 32 + zlib.MAX_WBITS


class Unanswered(ConnectionError):
    """The connection was refused, or lost before any byte of an answer."""


class BrokenOff(Exception):
    """What came is no answer, or not a whole one."""


class HttpAnswer:
    """An answer whose head has come. Its connection is given up, or used again, when the block around it ends.

    Attributes:
        headers: by name in lower case; several of one name are joined by commas.
    """

    def __init__(self, connection: "HttpConnection") -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._has_head = False
        self._is_whole = False
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._inflater: zlib._Decompress | None = None
        self._is_inflating = False

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            BrokenOff: it ends in the middle, or is not in the form that its head says.
            TimeoutError: nothing more comes, or the request's time is over.
        """
        while piece := await self.piece():
            yield piece

    async def piece(self) -> bytes:
        """The body's next bytes; none when it has ended. Raises as `pieces` does."""
        while True:
            if self._inflater is not None and (more := self._inflater.unconsumed_tail):
                return self._inflated(more)
            if self._pieces:
                raw = self._pieces.popleft()
                self._unread -= len(raw)
                self._connection.read_on(self._unread)
                if self._inflater is None:
                    return raw
                if (inflated := self._inflated(raw)) or self._inflater.unconsumed_tail:
                    return inflated
            elif self._is_whole:
                if self._inflater is not None and self._is_inflating and not self._inflater.eof:
                    raise BrokenOff("the compressed body is not whole")
                return b""
            elif self._failure is not None:
                raise self._failure
            else:
                await self._next()

    def _inflated(self, raw: bytes) -> bytes:
        assert self._inflater is not None  # noqa: S101 - for the type checker
        if self._inflater.eof:
            # RFC 1952, section 2.2: a gzip file may have several members.
            self._inflater = zlib.decompressobj(_ANY_WINDOW)
        self._is_inflating = True
        try:
            inflated = self._inflater.decompress(raw, _LARGEST_PIECE)
        except zlib.error as error:
            raise BrokenOff("the body is not compressed as its head says") from error
        if behind := self._inflater.unused_data:
            self._pieces.appendleft(behind)
            self._unread += len(behind)
        return inflated

    async def begun(self) -> None:
        """Wait for the head.

        Raises:
            Unanswered: the connection was lost before any byte of it.
            BrokenOff: what came is no head.
            TimeoutError: nothing came in time.
        """
        while not self._has_head:
            if self._failure is not None:
                raise self._failure
            await self._next()
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding in _ENCODINGS:
            self._inflater = zlib.decompressobj(_ANY_WINDOW)
        elif encoding not in {"", "identity"}:
            raise BrokenOff(f"the body is encoded as {encoding[:40]!r}, which was not asked for")

    async def _next(self) -> None:
        self._waiter = self._connection.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the connection to the next request where this answer is whole; else close it."""
        self._connection.finish(self, reusable=self._is_whole)

    # What the connection tells.

    def fail(self, failure: BaseException) -> None:
        """There will be no more of it."""
        if not self._is_whole and self._failure is None:
            self._failure = failure
            self._wake()

    def take_header(self, name: bytes, value: bytes) -> None:
        """A line of the head."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def take_head(self, status: int) -> None:
        """The head is whole. One that says to wait is followed by another."""
        if 100 <= status < 200:
            self.headers.clear()
            return
        self.status, self._has_head = status, True
        self._wake()

    def take_body(self, piece: bytes) -> int:
        """Bytes of the body; how many are unread now."""
        self._pieces.append(piece)
        self._unread += len(piece)
        self._wake()
        return self._unread

    def take_end(self) -> bool:
        """The message is over: whether that was the answer."""
        self._is_whole = self._has_head
        self._wake()
        return self._is_whole

    @property
    def lasts_to_the_close(self) -> bool:
        """Whether the body has no other end than the connection's."""
        chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        return self._has_head and not chunked and "content-length" not in self.headers


class HttpConnection(asyncio.Protocol):
    """The protocol's side of a connection.

    Args:
        silence_seconds: longest wait for an answer's first byte and between two.
        rest_seconds: how long it is kept open without a request.
        rested: told that it is free for the next request.
        ended: told that it is closed.
    """

    def __init__(
        self,
        *,
        silence_seconds: float,
        rest_seconds: float,
        rested: Callable[["HttpConnection"], None],
        ended: Callable[["HttpConnection"], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_open = False
        self._silence, self._rest = silence_seconds, rest_seconds
        self._rested, self._ended = rested, ended
        self._transport: asyncio.Transport | None = None
        self._answer: HttpAnswer | None = None
        # The answer that the parser tells of: none behind its end, whatever more is sent.
        self._told: HttpAnswer | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._keeps_alive = False
        self._head_bytes = 0
        self._is_paused = False
        self._until = self._stirred = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._watch_at = 0.0

    def ask(self, request: bytes, *, seconds: float) -> HttpAnswer:
        """Send a request.

        Args:
            request: head and body as they go over the wire.
            seconds: for all of the answer.
        """
        answer = self._answer = self._told = HttpAnswer(self)
        if self._transport is None or not self.is_open:
            answer.fail(Unanswered("the connection is closed"))
            return answer
        self._parser = httptools.HttpResponseParser(self)
        self._keeps_alive, self._head_bytes = False, 0
        self._stirred = self.loop.time()
        self._until = self._stirred + seconds
        self._transport.write(request)
        self._arm(min(self._until, self._stirred + self._silence))
        return answer

    def finish(self, answer: HttpAnswer, *, reusable: bool) -> None:
        """Nobody reads this answer any more."""
        if answer is not self._answer:
            return
        self._answer = None
        if not (reusable and self._keeps_alive and self.is_open):
            self.abort()
            return
        self._resume()
        self._stirred = self.loop.time()
        self._arm(self._stirred + self._rest)
        self._rested(self)

    def abort(self) -> None:
        """Close at once."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def read_on(self, unread: int) -> None:
        """So much is still unread: let the provider go on where it was made to wait."""
        if self._is_paused and unread < _MOST_UNREAD // 2:
            self._resume()

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._stirred = self.loop.time()
            self._transport.resume_reading()

    # asyncio's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call when connected."""
        # uvloop's transports do not inherit asyncio's.
        self._transport, self.is_open = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        """Asyncio's call with bytes."""
        answer = self._answer
        if answer is None:
            # Nobody asked for anything.
            self.abort()
            return
        self._stirred = self.loop.time()
        if not answer.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            answer.fail(BrokenOff(f"what came is no answer: {error}"))
            self.abort()
        else:
            if not answer.status and self._head_bytes > _LARGEST_HEAD:
                answer.fail(BrokenOff("the answer's head is too large"))
                self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's call when the connection has ended."""
        self.is_open = False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        answer = self._answer
        if answer is not None:
            if exc is None and answer.lasts_to_the_close:
                answer.take_end()
            elif self._head_bytes:
                answer.fail(BrokenOff("the answer ended in the middle"))
            else:
                lost = Unanswered("the connection was lost before any byte of an answer")
                lost.__cause__ = exc
                answer.fail(lost)
        self._ended(self)

    # The parser's calls.

    def on_message_begin(self) -> None:
        """A message begins."""
        if self._told is None:
            # Behind the answer that was asked for comes another: who knows whose.
            self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line."""
        if self._told is not None:
            self._told.take_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._told is not None:
            self._told.take_head(self._parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        """Bytes of the body, without the framing of chunks."""
        if self._told is None or self._transport is None:
            return
        if self._told.take_body(body) > _MOST_UNREAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The message has ended."""
        if self._told is not None and self._told.take_end():
            self._told = None
            self._keeps_alive = self._parser.should_keep_alive()

    # Time.

    def _arm(self, due: float) -> None:
        """Look at the clock at that time, or before."""
        if self._watch is not None:
            if self._watch_at <= due:
                return
            self._watch.cancel()
        self._watch, self._watch_at = self.loop.call_at(due, self._check), due

    def _check(self) -> None:
        self._watch = None
        now = self.loop.time()
        if self._answer is None:
            due = self._stirred + self._rest
        else:
            # Whom we make wait is not late.
            due = self._until if self._is_paused else min(self._until, self._stirred + self._silence)
        if now < due:
            self._arm(due)
            return
        if self._answer is not None:
            self._answer.fail(TimeoutError("the answer did not come in time"))
        self.abort()


def head_of(target: str, host: str, headers: Mapping[str, str], length: int) -> bytes:
    """The head of a POST.

    Raises:
        ValueError: a header has a character that would end its line.
    """
    lines = [f"POST {target} HTTP/1.1", f"host: {host}", f"content-length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(lines).encode()
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise ValueError("a header has a line break in it")
    return head + b"\r\n\r\n"
