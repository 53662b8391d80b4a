"""One call on its way through the pipeline, and the answer that it ends with."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from functions.gateway.core.booking import Booking
from functions.gateway.core.dialects import Passage
from functions.gateway.core.models import (
    CacheControl,
    CachedAnswer,
    CacheKey,
    CacheState,
    Caller,
    Json,
    Provider,
    QuestionVector,
    Target,
)
from functions.gateway.core.shortening import Shortening
from functions.gateway.core.usage import Said
from functions.kit.context import current

Heard = TypeVar("Heard")


@dataclass(slots=True)
class Call:
    """One call on its way, with what was found out about it.

    Attributes:
        body: the chat that is asked for.
        providers: the tenant's, of which one answers.
        passage: how it was asked for in another format; None when in this one.
        written: the chat as it was before compression; None where nothing was taken from it.
        shortening: what compression did; None where it did not try.
        is_settled: the prompt is what it will be.
        most_tokens: what the answer was limited to for the sake of a quota; None when it was not.
        provider_seconds: time spent waiting for providers; the rest is ours.
        accepted: when the provider had answered, or begun to, on the clock that measures time spent; 0 before.
        may_wait: it can have the answer of another process, which is whole.
        is_leading: other processes wait for its answer.
        vector: the question's embedding, maybe still under way.
        compared: an answer that was there, kept back to be compared with the provider's.
        cached: the answer that was given.
        flight: what others who ask the same find it under, as long as it leads them.
    """

    booking: Booking
    body: Json
    key: CacheKey | None
    control: CacheControl
    providers: Sequence[Provider] = ()
    passage: Passage | None = None
    written: Json | None = None
    shortening: Shortening | None = None
    is_settled: bool = False
    most_tokens: int | None = None
    provider_seconds: float = 0.0
    accepted: float = 0.0
    may_wait: bool = False
    is_leading: bool = False
    vector: "asyncio.Future[QuestionVector | None] | None" = None
    compared: CachedAnswer | None = None
    cached: CachedAnswer | None = None
    flight: tuple[str, str] | None = None

    @property
    def caller(self) -> Caller:
        """On whose behalf."""
        return self.booking.caller

    @property
    def target(self) -> Target:
        """Where it goes."""
        return self.booking.target

    @property
    def state(self) -> CacheState:
        """How the cache served it."""
        return "miss" if self.cached is None else self.cached.state

    @property
    def cache_id(self) -> str:
        """Names the answer in the tenant's cache, where it comes from there or may be kept there; else empty."""
        if self.cached is not None and self.cached.entry_id:
            return self.cached.entry_id
        return self.key.exact if self.key is not None and self.control.may_store else ""

    def said(self, completion: Json | None, first_chunk: float | None = None) -> Said:
        """What was said, by the caller's own words.

        Args:
            first_chunk: when a stream's first chunk came, on the clock that measures time spent.
        """
        now, asked, theirs, first = time.perf_counter(), self.booking.asked, self.provider_seconds, None
        if first_chunk is not None and asked is not None:
            # All of a stream after it was accepted is the provider's time; it may be over before that is noticed.
            first, theirs = first_chunk - asked, theirs + now - (self.accepted or asked)
        overhead = max(0.0, now - self.booking.started - theirs)
        return Said(self.written or self.body, completion, overhead, theirs, first)

    def asks(self) -> float:
        """A provider is asked from now on, on the clock that measures time spent; the time is not the platform's."""
        since = time.perf_counter()
        self.booking.asked = self.booking.asked or since
        self.accepted = 0.0
        return since

    def was_answered(self, since: float) -> None:
        """The provider has answered, or begun to, or failed."""
        self.accepted = time.perf_counter()
        self.provider_seconds += self.accepted - since
        current().outside.seconds += self.accepted - since

    async def hears(self, running: "asyncio.Future[Heard]") -> Heard:
        """What another caller waits for, too: the provider's time, not ours."""
        since = time.perf_counter()
        try:
            return await asyncio.shield(running)
        finally:
            self.was_answered(since)

    async def outlasts(self, ended: Awaitable[Heard]) -> Heard:
        """What another caller's stream ends with, behind this one's answer: the provider's time, not ours."""
        since = time.perf_counter()
        try:
            return await ended
        finally:
            self.provider_seconds += time.perf_counter() - since

    def overhead_ms(self) -> float:
        """Milliseconds since the start that no provider was waited for."""
        return max(0.0, (time.perf_counter() - self.booking.started - self.provider_seconds) * 1000)


class Answer(NamedTuple):
    """A whole answer, in the format of its request, and how it came about."""

    call: Call
    body: Json


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """An answer in chunks, or in its format's events, and how it came about.

    `close` must be called when nobody reads any more.
    """

    call: Call
    chunks: AsyncIterator[Json]
    close: Callable[[], None]
