"""Counts what was used, in tokens and millionths of a dollar."""

from collections.abc import Callable, Iterable

from functions.gateway.core.booking import Booking, Status
from functions.gateway.core.models import CacheState, Usage
from functions.gateway.core.ports import Meter, Prices
from functions.gateway.core.quota import Limit


class UsageBook:
    """Turns calls into usage records.

    Args:
        freed: told of limits of which a call that has ended held more than it used.
    """

    def __init__(self, meter: Meter, prices: Prices, freed: Callable[[Iterable[Limit]], None]) -> None:
        self._meter = meter
        self._prices = prices
        self._freed = freed

    async def record(self, booking: Booking, usage: Usage, *, status: Status = "ok") -> None:
        """Count a call that a provider answered."""
        target = booking.target
        cost = self._prices.cost_micro_usd(target.provider.kind, target.model, usage)
        await self._settle(booking, usage, status=status, cost=cost)

    async def record_cached(self, booking: Booking, state: CacheState, saved: Usage) -> None:
        """Count a call that the cache answered: no tokens, no cost, and what it saved."""
        await self._settle(booking, Usage(), state=state, saved=saved)

    async def _settle(
        self,
        booking: Booking,
        usage: Usage,
        *,
        status: Status = "ok",
        state: CacheState = "miss",
        saved: Usage | None = None,
        cost: int = 0,
    ) -> None:
        target, spared = booking.target, saved or Usage()
        record = booking.record(
            usage,
            status=status,
            cached=state,
            saved_tokens=spared.total_tokens,
            saved_micro_usd=self._prices.cost_micro_usd(target.provider.kind, target.model, spared) if saved else 0,
            cost_micro_usd=cost,
        )
        held, booking.is_held = booking.is_held, False
        await self._meter.settle(record, booking.limits, held=held)
        if held:
            self._freed(booking.limits)
