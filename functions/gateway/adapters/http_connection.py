"""One HTTP/1.1 connection to a provider: a request, its answer, and the next request.

Written on httptools, the parser that the server uses too. docs/adr/0036 says why it is not a library's client.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final, cast

import httptools

from functions.gateway.adapters.http_answer import MOST_UNREAD, BrokenOff, HttpAnswer, Unanswered

_LARGEST_HEAD: Final = 64 * 1024


class HttpConnection(asyncio.Protocol):
    """The protocol's side of a connection.

    Args:
        silence_seconds: longest wait for an answer's first byte and between two.
        rest_seconds: how long it is kept open without a request.
        rested: told that it is free for the next request.
        ended: told that it is closed.

    Attributes:
        parser: reads the answer that comes, once something was asked.
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
        self.parser: httptools.HttpResponseParser
        self._transport: asyncio.Transport | None = None
        # The answer that somebody waits for or reads.
        self._answer: HttpAnswer | None = None
        self._came = 0
        self._is_paused = False
        self._until = self._stirred = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._watch_at = math.inf

    def ask(self, request: bytes, *, until: float) -> HttpAnswer:
        """Send a request.

        Args:
            request: head and body as they go over the wire.
            until: when all of the answer must have come, on the loop's clock.
        """
        answer = self._answer = HttpAnswer(self)
        if self._transport is None or not self.is_open:
            answer.fail(Unanswered("the connection is closed"))
            return answer
        # One for each answer: what the last one ended with, such as a trailer, is not the next one's.
        self.parser = httptools.HttpResponseParser(answer)
        self._came, self._until = 0, until
        self._stirred = self.loop.time()
        self._transport.write(request)
        self._arm(min(until, self._stirred + self._silence))
        return answer

    def finish(self, answer: HttpAnswer, *, reusable: bool) -> None:
        """Nobody reads this answer any more."""
        if answer is not self._answer:
            return
        self._answer = None
        if not (reusable and self.is_open):
            self.abort()
            return
        if self._is_paused:
            self._resume()
        self._stirred = self.loop.time()
        self._arm(self._stirred + self._rest)
        self._rested(self)

    def abort(self) -> None:
        """Close at once."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def hold_up(self) -> None:
        """Much is unread: make the provider wait."""
        if self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def read_on(self, unread: int) -> None:
        """So much is still unread: let the provider go on where it was made to wait."""
        if self._is_paused and unread < MOST_UNREAD // 2:
            self._resume()

    def _resume(self) -> None:
        if self._transport is not None:
            self._is_paused = False
            self._stirred = self.loop.time()
            self._transport.resume_reading()

    # asyncio's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call when connected."""
        # uvloop's transports do not inherit asyncio's.
        self._transport, self.is_open = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        """Asyncio's call for each piece of what comes."""
        answer = self._answer
        if answer is None:
            # Nobody asked for anything.
            self.abort()
            return
        self._stirred = self.loop.time()
        self._came += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            answer.fail(BrokenOff(f"what came is no answer: {error}"))
            self.abort()
            return
        if answer.has_head:
            answer.wake()
        elif self._came > _LARGEST_HEAD:
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
                answer.end()
            elif self._came:
                answer.fail(BrokenOff("the answer ended in the middle"))
            else:
                lost = Unanswered("the connection was lost before any byte of an answer")
                lost.__cause__ = exc
                answer.fail(lost)
        self._ended(self)

    # Time.

    def _arm(self, due: float) -> None:
        """Look at the clock at that time, or before."""
        if self._watch_at <= due:
            return
        if self._watch is not None:
            self._watch.cancel()
        self._watch, self._watch_at = self.loop.call_at(due, self._check), due

    def _check(self) -> None:
        self._watch, self._watch_at = None, math.inf
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
