"""A provider's stream, read to its end whoever still listens, so that what the provider bills is what we count."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from functions.gateway.core.errors import ProviderBadResponse
from functions.gateway.core.models import Json, Usage
from functions.gateway.core.streaming import Assembler
from functions.kit.errors import DcoderError, DependencyUnavailable, Internal

_logger = logging.getLogger(__name__)

Status = Literal["ok", "error", "cancelled"]
Settle = Callable[[Assembler, Status], Awaitable[None]]
Spawn = Callable[[Coroutine[Any, Any, None], str], None]

# After the client has left, the provider is read on for its bill, but not for ever.
DRAIN_SECONDS = 30.0


class LiveStream:
    """Reads the provider in a task of its own and hands chunks on, to as many as listen, each from the beginning.

    Nothing holds the provider back when the client is slow: a stream's size is bounded, by its token limit and by the
    adapter that reads it.

    Args:
        open_stream: asks the provider, and gives what it streams.
        read: tells what was streamed as chunks of a chat completion; None where it is that already.
        settle: counts and stores what was read, called exactly once, whatever happened to an accepted request.
        give_back: called instead, with the reason, when the provider did not accept the request.
        spawn: runs work in the background, owned by the process: it ends behind what is read.
    """

    def __init__(
        self,
        open_stream: Callable[[], AbstractAsyncContextManager[AsyncIterator[Json]]],
        read: Callable[[Json], Iterable[Json]] | None,
        settle: Settle,
        give_back: Callable[[DcoderError | None], Awaitable[None]],
        spawn: Spawn,
    ) -> None:
        self._open = open_stream
        self._read = read
        self._settle = settle
        self._give_back = give_back
        self._spawn = spawn
        self._said: list[Json | DcoderError | None] = []
        self._news = asyncio.Event()
        self._listeners = 1
        self._giving_up: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[Usage | None] = asyncio.get_running_loop().create_future()
        self._accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None
        self._abandoned = False
        self._is_over = False

    async def start(self) -> None:
        """Open the stream.

        Raises:
            DcoderError: the provider did not accept the request.
        """
        self._spawn(self.run(), "provider-stream")
        await asyncio.shield(self._accepted)

    async def chunks(self) -> AsyncIterator[Json]:
        """What is streamed, as it comes.

        Raises:
            DcoderError: the stream broke off; what came before it was given.
        """
        at = 0
        while True:
            news = self._news
            while at < len(self._said):
                item = self._said[at]
                at += 1
                if item is None:
                    return
                if isinstance(item, DcoderError):
                    raise item
                yield item
            await news.wait()

    def join(self) -> None:
        """Somebody else listens, too."""
        self._listeners += 1
        self._abandoned = False
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def abandon(self) -> None:
        """One listens no more. After the last: read on for the bill within a cap. Harmless after the end."""
        self._listeners -= 1
        # What is read whole is being settled: that is not broken off.
        if not self._listeners and self._task is not None and not self._is_over:
            self._abandoned = True
            self._giving_up = asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._task.cancel)

    async def usage(self) -> Usage | None:
        """What the whole took, once it has ended; None when the provider did not say."""
        return await asyncio.shield(self._ended)

    def when_ended(self, then: Callable[[], None]) -> None:
        """Call this at the end, whatever it is; now where that has been."""
        self._ended.add_done_callback(lambda _: then())

    async def run(self) -> None:
        """Read to the end, then settle; only then is anybody told of the end, who may call again at once."""
        self._task = asyncio.current_task()
        assembler = Assembler()
        status: Status = "error"
        failure: DcoderError | None = None
        try:
            async with self._open() as items:
                self._accepted.set_result(None)
                async for item in items:
                    for chunk in (item,) if self._read is None else self._read(item):
                        assembler.add(chunk)
                    self._say(item)
            status = "cancelled" if self._abandoned else "ok"
        except DcoderError as error:
            failure = error
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            _logger.warning("a provider's stream cannot be read", extra={"reason": type(error).__name__})
            failure = ProviderBadResponse("the provider's answer is not in its documented format")
        except asyncio.CancelledError:
            status = "cancelled"
            if not self._accepted.cancel():
                # Whoever listens must not take it for the whole.
                failure = DependencyUnavailable("the stream was broken off", details={"dependency": "gateway"})
        finally:
            await self._end(assembler, status, failure)

    async def _end(self, assembler: Assembler, status: Status, failure: DcoderError | None) -> None:
        self._is_over = True
        if self._giving_up is not None:
            self._giving_up.cancel()
        was_accepted = self._accepted.done() and not self._accepted.cancelled()
        try:
            if was_accepted:
                await self._settle(assembler, status)
            else:
                await self._give_back(failure)
        except Exception as error:
            # What is counted nowhere is no answer (docs/adr/0040).
            failure = failure or (error if isinstance(error, DcoderError) else Internal("the call was not counted"))
            raise
        finally:
            # Whatever became of that: nobody is left waiting.
            if was_accepted and failure is not None:
                self._say(failure)
            elif not self._accepted.done():
                self._accepted.set_exception(failure or Internal("the provider's stream could not be read"))
            self._say(None)
            self._ended.set_result(assembler.usage)

    def _say(self, item: Json | DcoderError | None) -> None:
        self._said.append(item)
        news, self._news = self._news, asyncio.Event()
        news.set()
