"""One event function's durable consumer: pulls its events, has them delivered, settles them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from functions.kit.catalogue import Function
from functions.kit.clock import rfc3339, utc_now
from stateful.nats.connection import Bus, BusAway
from stateful.nats.dispatcher.delivery import Delivery
from stateful.nats.dispatcher.metrics import LAG
from stateful.nats.dispatcher.pacing import Reachability, Window
from stateful.nats.dispatcher.settings import DispatcherSettings
from stateful.nats.dispatcher.settlement import Settlement
from stateful.nats.loops import cancel, keep_running
from stateful.nats.signals import LagWatch, tell
from stateful.nats.streams import load_declarations, stream_of

_PULL_SECONDS = 30.0
_LAG_SECONDS = 10.0
_MOST_UNSETTLED = 10_000
_CONTROL, _NO_RESPONDERS = "100", "503"

_logger = logging.getLogger("dcoder.events.dispatcher")


class FunctionConsumer:
    """Drives one event function.

    Replicas share the durable consumer of the function's name: NATS gives each event to one of them.
    """

    def __init__(self, function: Function, bus: Bus, delivery: Delivery, settings: DispatcherSettings) -> None:
        self._function = function
        self._stream = stream_of(function.subscriptions, load_declarations())
        self._bus = bus
        self._settings = settings
        self._window = Window(min(settings.in_flight, function.concurrency * max(1, function.scale.max)))
        self._reachability = Reachability(base=0.25, cap=settings.probe_cap_seconds)
        self._settlement = Settlement(function, bus, delivery, self._reachability, settings)
        self._deliveries: dict[asyncio.Task[None], Msg] = {}
        self._lag = LagWatch(function.name, settings.lag_alert)
        self._wake = asyncio.Event()
        self._renew = False
        self._answered_at = 0.0
        bus.on_ready(self._begin_anew)

    async def run(self) -> None:
        """Pull and deliver until cancelled; deliveries in flight go on, see `drain`."""
        await keep_running(f"the consumer of {self._function.name}", self._consume)

    async def drain(self, seconds: float) -> None:
        """Wait for deliveries in flight; what takes longer is given back for another replica to deliver."""
        if self._deliveries:
            _, late = await asyncio.wait(self._deliveries, timeout=seconds)
            await cancel(late)

    async def keep_alive(self) -> None:
        """Tell NATS every third of the acknowledgement wait that the events in hand are being worked on."""
        await keep_running(f"the keeping of events of {self._function.name}", self._keep)

    async def watch_lag(self) -> None:
        """Keep the lag metric up to date."""
        await keep_running(f"the watch on the lag of {self._function.name}", self._watch_lag)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._settings.ack_wait_seconds / 3)
            for message in list(self._deliveries.values()):
                with suppress(nats.errors.Error):
                    await message.in_progress()

    async def _watch_lag(self) -> None:
        while True:
            _, js = await self._bus.session()
            with suppress(nats.errors.Error, TimeoutError):
                info = await js.consumer_info(self._stream, self._function.name)
                waiting = (info.num_pending or 0) + (info.num_ack_pending or 0)
                LAG.labels(self._function.name).set(waiting)
                await self._judge_lag(waiting)
            await asyncio.sleep(_LAG_SECONDS)

    async def _judge_lag(self, waiting: int) -> None:
        signal = self._lag.see(waiting)
        if signal is None:
            return
        try:
            # To the microsecond: what fails twice in a minute must not pass for told already.
            await tell(self._bus, signal, occasion=rfc3339(utc_now()))
        except (nats.errors.Error, BusAway):
            self._lag.forget()

    async def _consume(self) -> None:
        client, js = await self._bus.session()
        self._renew = False
        await self._declare(js)
        async with self._inbox(client) as inbox:
            while not self._renew:
                self._wake.clear()
                pause = await self._ask(client, inbox)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)

    async def _declare(self, js: JetStreamContext) -> None:
        try:
            await js.add_consumer(self._stream, self._config())
        except NotFoundError:
            self._bus.declare_anew()
            raise

    def _config(self) -> ConsumerConfig:
        subjects = list(dict.fromkeys(self._function.subscriptions))
        return ConsumerConfig(
            name=self._function.name,
            durable_name=self._function.name,
            description=f"events for {self._function.name}",
            filter_subject=subjects[0] if len(subjects) == 1 else None,
            filter_subjects=subjects if len(subjects) > 1 else None,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._settings.ack_wait_seconds,
            max_deliver=-1,
            max_ack_pending=_MOST_UNSETTLED,
        )

    @asynccontextmanager
    async def _inbox(self, client: Client) -> AsyncIterator[str]:
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox, cb=self._receive)
        self._window.asked = 0
        try:
            yield inbox
        finally:
            with suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()

    async def _ask(self, client: Client, inbox: str) -> float:
        """Ask for as many events as there are free hands. Returns seconds after which to ask again."""
        now = time.monotonic()
        if self._window.asked and now - self._answered_at > _PULL_SECONDS + 5:
            # A request always ends with an answer. None means that the server has forgotten it.
            self._window.asked = 0
        pause = self._reachability.pause(now)
        wanted = 0 if pause else self._window.wanted(probing=self._reachability.down)
        if wanted:
            self._answered_at = now
            self._window.ask(wanted)
            await client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._function.name}",
                b'{"batch":%d,"expires":%d}' % (wanted, int(_PULL_SECONDS * 1e9)),
                reply=inbox,
            )
        return pause or _PULL_SECONDS + 6

    async def _receive(self, message: Msg) -> None:
        self._answered_at = time.monotonic()
        status = (message.headers or {}).get("Status")
        if status and not message.reply:
            self._note(status, message.headers or {})
            return
        self._window.received()
        task = asyncio.create_task(self._settlement.settle(message), name=f"{self._function.name} delivery")
        self._deliveries[task] = message
        task.add_done_callback(self._done)

    def _note(self, status: str, headers: dict[str, str]) -> None:
        """Act on the end of a request: expired, or the consumer is gone or has moved."""
        if status == _CONTROL:
            return
        self._window.unanswered(int(headers.get("Nats-Pending-Messages", self._window.limit)))
        gone = status == _NO_RESPONDERS or "Consumer" in headers.get("Description", "")
        if gone:
            _logger.warning("a consumer is gone, declared anew", extra={"function": self._function.name})
            self._renew = True
        self._wake.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._deliveries.pop(task, None)
        self._window.settled()
        self._wake.set()
        if not task.cancelled() and task.exception():
            # NATS delivers the event again when its acknowledgement wait is over.
            _logger.error("a delivery broke off", extra={"function": self._function.name}, exc_info=task.exception())

    def _begin_anew(self) -> None:
        self._renew = True
        self._wake.set()
