"""Lets a call in when its tenant's limits allow it, and has what it may use held until it is settled."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from functions.gateway.core.booking import Booking
from functions.gateway.core.errors import PROVIDER_FAILURES, QuotaExceeded
from functions.gateway.core.models import Json, Usage
from functions.gateway.core.needs import chat_need, input_need
from functions.gateway.core.ports import Granted, LimitDirectory, Prices, Refused, Reservations
from functions.gateway.core.quota import Hold, Limit, Need, holds
from functions.gateway.core.tokens import is_loaded
from functions.gateway.core.waiting_room import WaitingRoom
from functions.kit.clock import rfc3339
from functions.kit.errors import DependencyUnavailable

_SOON_SECONDS = 1.0
# Longest that a failed call's answer waits for what was held for it: a store that is slow holds nobody up.
_GIVING_BACK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """What the platform's operator decides.

    Attributes:
        completion_tokens: most tokens of an answer where a hard limit holds and the call sets none.
        wait_seconds: longest wait for tokens or money that calls under way hold and may give back.
        open_without_store: let calls in when nobody knows what is left, instead of refusing them.
    """

    completion_tokens: int = 4096
    wait_seconds: float = 5.0
    open_without_store: bool = False


class Admission:
    """The way in.

    Args:
        spawn: runs work in the background, owned by the process.
    """

    def __init__(
        self,
        directory: LimitDirectory,
        reservations: Reservations,
        prices: Prices,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        policy: AdmissionPolicy | None = None,
    ) -> None:
        self._directory = directory
        self._reservations = reservations
        self._prices = prices
        self._spawn = spawn
        self._policy = policy or AdmissionPolicy()
        self._room = WaitingRoom(self._policy.wait_seconds)

    async def book(self, booking: Booking) -> None:
        """Find out which limits apply.

        Raises:
            DependencyUnavailable: the database is away and the tenant's limits are not known from before.
        """
        limits = await self._directory.limits(booking.caller.tenant_id)
        if limits:
            booking.limits = limits.applying(booking.subjects)

    async def for_request(self, booking: Booking) -> None:
        """Hold what an answer takes that no provider is asked for: a request.

        Raises:
            QuotaExceeded: none is left.
        """
        await self._admit(booking, Need(), patient=True)

    async def for_chat(self, booking: Booking, body: Json, *, patient: bool = True) -> int | None:
        """Hold what a conversation may use; of tokens and money at most what is left.

        Args:
            patient: whether to wait for what calls under way may give back.

        Returns:
            most tokens that an answer may have, or None where no limit depends on it.

        Raises:
            QuotaExceeded: not enough is left for the prompt and one token.
        """
        limits = booking.limits
        if not limits.count_tokens:
            return await self._admit(booking, Need(), patient=patient)
        target, most, prices = (
            booking.target,
            self._policy.completion_tokens,
            self._prices if limits.count_cost else None,
        )
        if not is_loaded(target.model):
            # To load a vocabulary takes longer than the call: where more than enough is left, nobody need count.
            need = await chat_need(target, body, prices, most, roughly=True)
            with suppress(QuotaExceeded):
                granted = await self._admit(booking, need, patient=False)
                if granted is None or granted >= need.completion:
                    return granted
        need = await chat_need(target, body, prices, most)
        return await self._admit(booking, need, patient=patient)

    async def for_input(self, booking: Booking, given: Any) -> None:
        """Hold what an embedding takes; one that the platform makes for itself does not wait for it.

        Raises:
            QuotaExceeded: not enough is left.
        """
        need = Need(requests=int(not booking.internal))
        if booking.limits.count_tokens:
            need = await input_need(booking.target, given, self._prices, internal=booking.internal)
        await self._admit(booking, need, patient=not booking.internal)

    def holding(self, booking: Booking) -> "_Holding":
        """Give back what is held when the block fails; where the provider did, the call is counted as failed."""
        return _Holding(self, booking)

    async def ended_by(self, booking: Booking, error: BaseException) -> None:
        """Give back what is held when a call fails; what `holding` does."""
        if isinstance(error, Exception):
            await self.given_back(booking, error)
        else:
            # Cancelled: nobody is there to be told that it is done.
            self.give_back(booking, error)

    async def given_back(self, booking: Booking, error: Exception | None = None) -> None:
        """End what is held before the failure is told: whoever hears of it may call again at once, at the last unit.

        A store that does not answer is not waited for longer than half a second.
        """
        if (done := self.give_back(booking, error)) is not None:
            await asyncio.wait((done,), timeout=_GIVING_BACK_SECONDS)

    def give_back(self, booking: Booking, error: BaseException | None = None) -> "asyncio.Future[None] | None":
        """The call has used nothing: end what is held for it, in the background.

        Args:
            error: why. A failure of the provider is counted.

        Returns:
            done once that has ended, however; None where there is nothing to do.
        """
        if isinstance(error, PROVIDER_FAILURES) and not booking.is_counted:
            held, booking.is_held, booking.is_counted = booking.is_held, False, True
            return self._begin(self._fail(booking, held=held), "count-failed-call")
        if booking.is_held:
            booking.is_held = False
            return self._begin(self._release(booking), "release-reservation")
        return None

    def freed(self, limits: Iterable[Limit]) -> None:
        """Something that was held of these limits no longer is."""
        self._room.freed(limit.id for limit in limits)

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Future[None]":
        done = asyncio.get_running_loop().create_future()

        async def whole() -> None:
            try:
                await work
            finally:
                done.set_result(None)

        self._spawn(whole(), name)
        return done

    async def _release(self, booking: Booking) -> None:
        await self._reservations.release(booking.usage_id)
        self.freed(booking.limits)

    async def _fail(self, booking: Booking, *, held: bool) -> None:
        await self._reservations.fail(booking.record(Usage(), status="error"), held=held)
        if held:
            self.freed(booking.limits)

    async def _admit(self, booking: Booking, need: Need, *, patient: bool) -> int | None:
        wanted = holds(booking.limits, need, booking.at)
        if not wanted:
            return None
        try:
            if patient:
                answer = await self._ask_patiently(booking, wanted, need)
            else:
                answer = await self._ask(booking, wanted, need)
        except DependencyUnavailable:
            if not self._policy.open_without_store:
                self.give_back(booking)
                raise
            return None
        if isinstance(answer, Refused):
            raise _exceeded(answer)
        for hold in wanted:
            if hold.per_token:
                return answer.completion
        return None

    async def _ask_patiently(self, booking: Booking, wanted: list[Hold], need: Need) -> Granted | Refused:
        async def ask() -> Granted | Refused:
            return await self._ask(booking, wanted, need)

        # Whoever comes later than those who wait for the same goes behind them.
        queue = self._room.occupied(hold.limit.id for hold in wanted)
        if queue is None:
            answer = await ask()
            if not (isinstance(answer, Refused) and _is_worth_waiting(answer)):
                return answer
            queue = answer.hold.limit.id
        since = time.perf_counter()
        try:
            return await self._room.wait(queue, ask, lambda a: isinstance(a, Granted) or not _is_worth_waiting(a))
        finally:
            booking.queued_seconds += time.perf_counter() - since

    async def _ask(self, booking: Booking, wanted: list[Hold], need: Need) -> Granted | Refused:
        # From here on something may be held, even if the answer never comes.
        again, booking.is_held = booking.is_held, True
        try:
            lost = booking.lost()
            answer = await self._reservations.reserve(lost, wanted, need.completion, again=again)
        except DependencyUnavailable:
            raise
        except BaseException:
            self.give_back(booking)
            raise
        booking.is_held = isinstance(answer, Granted)
        return answer


class _Holding:
    """The block of `Admission.holding`."""

    __slots__ = ("_admission", "_booking")

    def __init__(self, admission: Admission, booking: Booking) -> None:
        self._admission = admission
        self._booking = booking

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            await self._admission.ended_by(self._booking, error)


def _least(hold: Hold) -> int:
    """What the call cannot do without: its prompt and one token of each answer."""
    return -(-(hold.fixed + hold.per_token) // hold.scale)


def _fits_without_others(refused: Refused) -> bool:
    """Whether the call would have fitted, had others not held what they may not use after all."""
    return refused.used + _least(refused.hold) <= refused.hold.limit.maximum


def _is_worth_waiting(refused: Refused) -> bool:
    # A request that is under way is seldom one less in the end: to wait for it would only delay the refusal.
    return refused.hold.limit.metric != "requests" and _fits_without_others(refused)


def _exceeded(refused: Refused) -> QuotaExceeded:
    limit, span = refused.hold.limit, refused.hold.span
    whose = "the tenant" if limit.subject_id is None else f"{limit.subject_kind.replace('_', ' ')} {limit.subject_id}"
    soon = _fits_without_others(refused)
    rest = "what is left is held by calls under way" if soon else "it is used up"
    return QuotaExceeded(
        f"the limit on {limit.metric} of {whose} per {limit.window} does not allow this call; {rest}",
        details={
            "quotaId": limit.id,
            "subject": {"kind": limit.subject_kind, "id": limit.subject_id},
            "limit": limit.maximum,
            "metric": limit.metric,
            "window": limit.window,
            "used": refused.used,
            "reserved": refused.reserved,
            "needed": _least(refused.hold),
            "resetsAt": rfc3339(span.resets),
        },
        retry_after=_SOON_SECONDS if soon else max(1, math.ceil(span.end - time.time())),
        is_final=not _is_worth_waiting(refused),
    )
