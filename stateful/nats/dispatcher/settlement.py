"""Settles one event with NATS after its delivery: acknowledged, given back for later, or set aside as a dead letter."""

import asyncio
import logging
import time
from contextlib import suppress

import nats.errors
from nats.aio.msg import Msg

from functions.kit.catalogue import Function
from functions.kit.clock import utc_now
from functions.kit.events import Event, EventError
from stateful.nats.connection import BusAway, Publisher
from stateful.nats.dead_letters import ONLY_FUNCTION, Letter
from stateful.nats.dispatcher.delivery import Delivery
from stateful.nats.dispatcher.metrics import DEAD_LETTERS, DISPATCH_SECONDS, DISPATCHED, IN_FLIGHT, REDELIVERIES
from stateful.nats.dispatcher.outcomes import (
    Acknowledge,
    DeadLetter,
    Failed,
    Handled,
    Outcome,
    Refused,
    Retry,
    Unreachable,
    decide,
)
from stateful.nats.dispatcher.pacing import Reachability
from stateful.nats.dispatcher.settings import DispatcherSettings
from stateful.nats.signals import tell_of_letter

_ACK_SECONDS = 5.0
_MOST_FAILING = 20_000

_logger = logging.getLogger("dcoder.events.dispatcher")


class Settlement:
    """Delivers a function's events and settles each with NATS."""

    def __init__(
        self,
        function: Function,
        publisher: Publisher,
        delivery: Delivery,
        reachability: Reachability,
        settings: DispatcherSettings,
    ) -> None:
        self._function = function
        self._publisher = publisher
        self._delivery = delivery
        self._reachability = reachability
        self._settings = settings
        # Tries, by event, that this process saw fail. NATS counts deliveries alone, those of an outage, too; another
        # replica, or this one started again, begins anew, which only means more tries.
        self._failures: dict[int, int] = {}

    async def settle(self, message: Msg) -> None:
        """Deliver an event and tell NATS what became of it; if NATS is away it will deliver the event again."""
        if message.metadata.num_delivered > 1:
            REDELIVERIES.labels(self._function.name).inc()
        try:
            with IN_FLIGHT.labels(self._function.name).track_inprogress():
                event, outcome = await self._deliver(message)
                await self._tell(message, event, outcome)
        except asyncio.CancelledError:
            # This process stops: another replica may have the event at once.
            await _give_back(message, None)
            raise
        except (nats.errors.Error, BusAway, TimeoutError) as error:
            _logger.warning(
                "an event could not be settled, it will come again",
                extra={"function": self._function.name, "reason": f"{type(error).__name__}: {error}"},
            )
            await _give_back(message, self._settings.probe_cap_seconds)

    async def _deliver(self, message: Msg) -> tuple[Event | None, Outcome]:
        only = (message.headers or {}).get(ONLY_FUNCTION)
        if only and only != self._function.name:
            return None, Handled()
        try:
            event = Event.from_json(message.data)
        except EventError as error:
            return None, Refused(0, f"malformed: {error}")
        with DISPATCH_SECONDS.labels(self._function.name).time():
            outcome = await self._delivery.deliver(self._function, event, message.data)
        DISPATCHED.labels(self._function.name, type(outcome).__name__.lower()).inc()
        return event, outcome

    async def _tell(self, message: Msg, event: Event | None, outcome: Outcome) -> None:
        metadata, now = message.metadata, time.monotonic()
        sequence, pause = metadata.sequence.stream, 0.0
        if isinstance(outcome, Failed):
            if len(self._failures) >= _MOST_FAILING:
                self._failures.clear()
            self._failures[sequence] = self._failures.get(sequence, 0) + 1
        if isinstance(outcome, Unreachable):
            pause = self._reachability.missed(now)
        else:
            self._reachability.answered()
        tries = self._failures.get(sequence, 0)
        decision = decide(
            outcome,
            tries=tries,
            waits=metadata.num_delivered - tries,
            age=(utc_now() - metadata.timestamp).total_seconds(),
            pause=pause,
            settings=self._settings,
        )
        match decision:
            case Retry(delay):
                await message.nak(delay=delay)
                return
            case Acknowledge():
                # Waits for the server's word: an acknowledgement that is lost means a second delivery.
                await message.ack_sync(timeout=_ACK_SECONDS)
            case DeadLetter(status, reason):
                await self._set_aside(message, event, status, reason)
        self._failures.pop(sequence, None)

    async def _set_aside(self, message: Msg, event: Event | None, status: int, reason: str) -> None:
        metadata = message.metadata
        letter = Letter(
            function=self._function.name,
            subject=message.subject,
            event_id=event.id if event else "",
            sequence=metadata.sequence.stream,
            deliveries=metadata.num_delivered,
            status=status,
            reason=reason,
            published=metadata.timestamp,
            last_try=utc_now(),
        )
        # Stored first, terminated after: a crash between the two sends the letter again, which its id makes harmless.
        await self._publisher.publish(
            letter.address, message.data, message_id=letter.message_id, headers=letter.headers()
        )
        await tell_of_letter(self._publisher, letter)
        await message.term()
        DEAD_LETTERS.labels(self._function.name, message.subject).inc()
        _logger.error(
            "an event became a dead letter",
            extra={
                "function": letter.function,
                "subject": letter.subject,
                "event": letter.event_id,
                "reason": reason,
                "deliveries": letter.deliveries,
            },
        )


async def _give_back(message: Msg, delay: float | None) -> None:
    with suppress(nats.errors.Error):
        await message.nak(delay=delay)
