"""Counts what was used, in tokens and millionths of a dollar."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from functions.gateway.core.booking import Booking, Status
from functions.gateway.core.models import CacheState, Json, Target, Usage
from functions.gateway.core.ports import CallObserver, Contents, Meter, Prices, Settlement
from functions.gateway.core.quota import Limit
from functions.kit.subjects import UsageRecord


class Said(NamedTuple):
    """What was said in a call: the request as its caller wrote it, and the answer as far as there is one.

    Attributes:
        overhead_seconds: that the call took and no provider was waited for.
        first_chunk_seconds: from asking the provider to its stream's first chunk; None where it did not stream.
    """

    body: Json
    completion: Json | None
    overhead_seconds: float = 0.0
    provider_seconds: float = 0.0
    first_chunk_seconds: float | None = None


class UsageBook:
    """Turns calls into usage records.

    Args:
        freed: told of limits of which a call that has ended held more than it used.
    """

    def __init__(
        self,
        meter: Meter,
        prices: Prices,
        freed: Callable[[Iterable[Limit]], None],
        contents: Contents,
        observer: CallObserver,
    ) -> None:
        self._meter = meter
        self._prices = prices
        self._freed = freed
        self._contents = contents
        self._observer = observer

    def failed(self, booking: Booking, code: str) -> None:
        """A call has ended without anything to count."""
        self._observer.failed(booking, code)

    def price(self, booking: Booking, usage: Usage) -> None:
        """Put down what a call that a provider answered has cost."""
        booking.cost_micro_usd = self.worth(booking.target, usage)

    def worth(self, target: Target, usage: Usage) -> int:
        """What so many tokens cost there, in millionths of a US dollar."""
        return self._prices.cost_micro_usd(target.provider.kind, target.model, usage)

    async def record(self, booking: Booking, usage: Usage, *, status: Status = "ok", said: Said | None = None) -> None:
        """Put down what a call that a provider answered has cost, and count it."""
        self.price(booking, usage)
        await self.finish(self.begin(booking, usage, said, status=status))

    def begin(self, booking: Booking, usage: Usage, said: Said | None, *, status: Status = "ok") -> "Counting":
        """Send to the books a call that a provider answered, and whose cost is put down."""
        return self._begin(booking, booking.record(usage, status=status), said)

    def begin_cached(
        self, booking: Booking, state: CacheState, saved_tokens: int, saved_micro_usd: int, said: Said
    ) -> "Counting":
        """Send to the books a call that the cache answered: no tokens, no cost, and what it saved."""
        record = booking.record(Usage(), cached=state, saved_tokens=saved_tokens, saved_micro_usd=saved_micro_usd)
        return self._begin(booking, record, said)

    def _begin(self, booking: Booking, record: UsageRecord, said: Said | None) -> "Counting":
        held, booking.is_held, booking.is_counted = booking.is_held, False, True
        is_early = said is not None and self._contents.is_expected(booking)
        settlement = None if is_early else self._sent(booking, record, said, held=held)
        return Counting(booking, record, said, held, settlement)

    def _sent(self, booking: Booking, record: UsageRecord, said: Said | None, *, held: bool) -> Settlement:
        content = self._contents.sealed(booking, said.body, said.completion) if said else b""
        return self._meter.begin(record, booking.limits, held=held, content=content)

    async def finish(self, counting: "Counting") -> None:
        """Wait until a call is in the books, then tell those who want to know."""
        booking, record, said = counting.booking, counting.record, counting.said
        settlement = counting.settlement
        if settlement is None:
            await self._contents.expected(booking)
            settlement = self._sent(booking, record, said, held=counting.held)
        await settlement.finish()
        self._observer.ended(booking, record, said)
        if counting.held:
            self._freed(booking.limits)


class Counting(NamedTuple):
    """One call on its way into the books.

    Attributes:
        held: whether something was held for it.
        settlement: None where it waits for what its content is sealed with.
    """

    booking: Booking
    record: UsageRecord
    said: Said | None
    held: bool
    settlement: Settlement | None

    @property
    def is_sent(self) -> bool:
        """Whether it is on its way there, ahead of an answer that is sent now."""
        return self.settlement is not None and self.settlement.is_sent
