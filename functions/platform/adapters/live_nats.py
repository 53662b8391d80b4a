"""The log of alerts, read from JetStream by one consumer of this process that leaves nothing behind."""

import asyncio
import logging
from datetime import timedelta

import nats
import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from functions.kit.clock import rfc3339, utc_now
from functions.kit.events import Event, EventError
from functions.kit.subjects import AlertRaised
from functions.platform.core.live import LiveHub, Told

_SUBJECTS = "alert.*"
# So far back goes what a process knows when it begins.
_REMEMBERED = timedelta(minutes=15)
_SECONDS = 5.0
_INACTIVE_SECONDS = 30.0
_RETRY_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class AlertLog:
    """Tells a hub of every alert event, through any outage of NATS.

    Args:
        servers: NATS addresses, comma separated.
    """

    def __init__(self, servers: str, hub: LiveHub) -> None:
        self._servers = servers.split(",")
        self._hub = hub

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read()
            except (OSError, TimeoutError, nats.errors.Error) as error:
                _logger.debug("the log of alerts cannot be read", extra={"reason": f"{type(error).__name__}: {error}"})
            await asyncio.sleep(_RETRY_SECONDS)

    async def _read(self) -> None:
        # It does not reconnect: a consumer may be lost with the connection, and is made anew with the next.
        client = await nats.connect(
            self._servers, allow_reconnect=False, connect_timeout=2, ping_interval=10, error_cb=_ignore
        )
        try:
            await self._follow(client.jetstream(timeout=_SECONDS))
        finally:
            await client.close()

    async def _follow(self, js: JetStreamContext) -> None:
        name = await js.find_stream_name_by_subject(AlertRaised.subject)
        created = (await js.stream_info(name)).created
        epoch = f"{int(created.timestamp() * 1000):x}" if created else "1"
        known, place = self._hub.place
        config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=_INACTIVE_SECONDS)
        if known == epoch:
            config.deliver_policy, config.opt_start_seq = DeliverPolicy.BY_START_SEQUENCE, place + 1
        else:
            config.deliver_policy = DeliverPolicy.BY_START_TIME
            config.opt_start_time = rfc3339(utc_now() - _REMEMBERED)  # type: ignore[assignment]
        consumer = await js.pull_subscribe(_SUBJECTS, stream=name, config=config)
        delivered = (await consumer.consumer_info()).delivered
        self._hub.begin(epoch, delivered.stream_seq if delivered else 0)
        while True:
            try:
                (message,) = await consumer.fetch(1, timeout=_SECONDS)
            except nats.errors.TimeoutError:
                continue
            self._tell(message)

    def _tell(self, message: Msg) -> None:
        try:
            event = Event.from_json(message.data)
            alert = event.data["alert"]
            told = Told(message.metadata.sequence.stream, alert["tenantId"], alert)
        except (EventError, KeyError, TypeError) as error:
            _logger.warning("an event cannot be read", extra={"subject": message.subject}, exc_info=error)
            return
        self._hub.tell(told)


async def _ignore(error: Exception) -> None:
    _logger.debug("nats", extra={"reason": str(error)})
