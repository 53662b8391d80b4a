"""What comes over a connection to a provider, read as the answer to a request: head, body piece by piece, end."""

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from functions.gateway.adapters.http_connection import HttpConnection

# Received and not yet read, from which on the provider is made to wait.
MOST_UNREAD: Final = 256 * 1024
_LARGEST_PIECE: Final = 1024 * 1024
_ENCODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
# Tells gzip from zlib by itself.
_ANY_WINDOW: Final = 32 + zlib.MAX_WBITS


class Unanswered(ConnectionError):
    """The connection was refused, or lost before any byte of an answer."""


class BrokenOff(Exception):
    """What came is no answer, or not a whole one."""


class HttpAnswer:
    """An answer. Its connection is given up, or used again, when the block around it ends.

    Attributes:
        has_head: whether its status and headers have come.
    """

    __slots__ = (
        "_connection",
        "_failure",
        "_headers",
        "_inflater",
        "_is_inflating",
        "_is_reusable",
        "_is_whole",
        "_pieces",
        "_unread",
        "_waiter",
        "has_head",
        "status",
    )

    def __init__(self, connection: "HttpConnection") -> None:
        self.status = 0
        self.has_head = False
        self._connection = connection
        self._headers: dict[bytes, bytes] = {}
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._is_whole = False
        self._is_reusable = False
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._inflater: zlib._Decompress | None = None
        self._is_inflating = False

    @property
    def headers(self) -> dict[str, str]:
        """By name in lower case; several of one name are joined by commas."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers.items()}

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        return self._header(b"content-type").partition(";")[0].strip().lower()

    def _header(self, name: bytes) -> str:
        return self._headers.get(name, b"").decode("latin-1")

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
        while (piece := self.at_hand()) is None:
            await self.more()
        return piece

    def at_hand(self) -> bytes | None:
        """Of the body's bytes that have come, the next; none when it has ended, None when there will be `more`.

        Raises:
            BrokenOff: it is not in the form that its head says.
        """
        if self._inflater is not None:
            return self._inflated_at_hand(self._inflater)
        if self._pieces:
            return self._taken()
        return b"" if self._is_whole else None

    def more(self) -> "asyncio.Future[None]":
        """Done when more of the answer has come, or it will not.

        Raises:
            Unanswered: the connection was lost before any byte of it.
            BrokenOff: what came is no answer, or not all of one.
            TimeoutError: nothing came in time.
        """
        if self._failure is not None:
            raise self._failure
        self._waiter = self._connection.loop.create_future()
        return self._waiter

    def decode(self) -> None:
        """Read the body in the form that its head says.

        Raises:
            BrokenOff: that form was not asked for.
        """
        if b"content-encoding" not in self._headers:
            return
        encoding = self._header(b"content-encoding").strip().lower()
        if encoding in _ENCODINGS:
            self._inflater = zlib.decompressobj(_ANY_WINDOW)
        elif encoding not in {"", "identity"}:
            raise BrokenOff(f"the body is encoded as {encoding[:40]!r}, which was not asked for")

    def _taken(self) -> bytes:
        piece = self._pieces.popleft()
        self._unread -= len(piece)
        self._connection.read_on(self._unread)
        return piece

    def _inflated_at_hand(self, inflater: "zlib._Decompress") -> bytes | None:
        while self._pieces:
            if inflater.eof:
                # RFC 1952, section 2.2: a gzip file may have several members.
                inflater = self._inflater = zlib.decompressobj(_ANY_WINDOW)
            if inflated := self._inflated(inflater, self._taken()):
                return inflated
        if self._is_whole and self._is_inflating and not inflater.eof:
            raise BrokenOff("the compressed body is not whole")
        return b"" if self._is_whole else None

    def _inflated(self, inflater: "zlib._Decompress", raw: bytes) -> bytes:
        self._is_inflating = True
        try:
            inflated = inflater.decompress(raw, _LARGEST_PIECE)
        except zlib.error as error:
            raise BrokenOff("the body is not compressed as its head says") from error
        # At its end, an inflater names what is left twice.
        if left := inflater.unused_data if inflater.eof else inflater.unconsumed_tail:
            self._pieces.appendleft(left)
            self._unread += len(left)
        return inflated

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the connection to the next request where this answer is whole; else close it."""
        self._connection.finish(self, reusable=self._is_reusable)

    # What the connection tells.

    def wake(self) -> None:
        """Something has come."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, failure: BaseException) -> None:
        """There will be no more of it."""
        if not self._is_whole and self._failure is None:
            self._failure = failure
        self.wake()

    def end(self) -> None:
        """The connection, with which it lasts, has ended."""
        self._is_whole = True
        self.wake()

    @property
    def lasts_to_the_close(self) -> bool:
        """Whether the body has no other end than the connection's."""
        chunked = "chunked" in self._header(b"transfer-encoding").lower()
        return self.has_head and not chunked and b"content-length" not in self._headers

    # The parser's calls.

    def on_message_begin(self) -> None:
        """A message begins."""
        if self._is_whole:
            # Behind the answer that was asked for comes another: who knows whose.
            self._is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head, or a trailer, which says nothing about the answer."""
        if not self.has_head:
            key, headers = name.lower(), self._headers
            headers[key] = headers[key] + b", " + value if key in headers else value

    def on_headers_complete(self) -> None:
        """The head is whole. One that says to wait is followed by another."""
        if self._is_whole:
            return
        status = self._connection.parser.get_status_code()
        if 100 <= status < 200:
            self._headers.clear()
        else:
            self.status, self.has_head = status, True

    def on_body(self, body: bytes) -> None:
        """Bytes of the body, without the framing of chunks."""
        if self._is_whole:
            return
        self._pieces.append(body)
        self._unread += len(body)
        if self._unread > MOST_UNREAD:
            self._connection.hold_up()

    def on_message_complete(self) -> None:
        """The message has ended."""
        if self.has_head and not self._is_whole:
            self._is_whole = True
            self._is_reusable = self._connection.parser.should_keep_alive()
