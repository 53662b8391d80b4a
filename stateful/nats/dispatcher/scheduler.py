"""Says when scheduled functions are due: an event for each time, the same whichever replica says it."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime

from functions.kit.catalogue import Function
from functions.kit.clock import rfc3339, utc_now
from functions.kit.events import Event
from functions.kit.schedules import Schedule
from functions.kit.subjects import ScheduleDue
from stateful.nats.connection import BusAway, Publisher
from stateful.nats.dead_letters import ONLY_FUNCTION

SOURCE = "/dcoder/scheduler"
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "dcoder:schedule")
# The clock may be set meanwhile.
_LONGEST_SLEEP_SECONDS = 30.0
_RETRY_SECONDS = 1.0
_logger = logging.getLogger("dcoder.events.scheduler")


class Scheduler:
    """Publishes `schedule.due`.

    What was due while nobody ran is said at the start, once: the event of a time has one id, by which the function
    knows whether it has handled it.
    """

    def __init__(
        self, functions: Iterable[Function], publisher: Publisher, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._scheduled = [(function.name, function.schedule) for function in functions if function.schedule]
        self._publisher = publisher
        self._now = now

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, schedule in self._scheduled:
                group.create_task(self._keep(name, schedule))

    async def _keep(self, name: str, schedule: Schedule) -> None:
        due = schedule.last(self._now())
        while True:
            await self._say(name, due)
            due = schedule.following(self._now())
            while (left := (due - self._now()).total_seconds()) > 0:  # noqa: ASYNC110 - time is what is waited for
                await asyncio.sleep(min(left, _LONGEST_SLEEP_SECONDS))

    async def _say(self, name: str, due: datetime) -> None:
        event = due_event(name, due)
        while True:
            try:
                await self._publisher.publish(
                    event.type, event.to_json(), message_id=event.id, headers={ONLY_FUNCTION: name}
                )
            except BusAway:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                _logger.info("due", extra={"function": name, "due": rfc3339(due)})
                return


def due_event(name: str, due: datetime) -> Event:
    """The event that says that a function was due at a time."""
    data = ScheduleDue(function=name, due=due)
    event_id = str(uuid.uuid5(_NAMES, f"{name}:{rfc3339(due)}"))
    return Event.of(data, tenant_id=None, source=SOURCE, event_id=event_id, time=due)
