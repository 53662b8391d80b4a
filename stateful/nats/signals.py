"""What the event plane says of itself: events that it had to set aside, and what falls behind."""

import uuid
from typing import Literal

from functions.kit.events import Event
from functions.kit.subjects import SystemSignal
from stateful.nats.connection import Publisher
from stateful.nats.dead_letters import Letter

SOURCE = "/dcoder/dispatcher"
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "dcoder:system-signal")


async def tell(publisher: Publisher, signal: SystemSignal, *, occasion: str) -> None:
    """Publish a signal, the same one for the same occasion.

    Raises:
        BusAway: NATS is not there.
    """
    name = f"{signal.condition}:{signal.name}:{signal.state}:{occasion}"
    event = Event.of(signal, tenant_id=None, source=SOURCE, event_id=str(uuid.uuid5(_NAMES, name)))
    await publisher.publish(event.type, event.to_json(), message_id=event.id)


async def tell_of_letter(publisher: Publisher, letter: Letter) -> None:
    """Say that an event became a dead letter; not of a signal that did, which would go round for ever.

    Raises:
        BusAway: NATS is not there.
    """
    if letter.subject == SystemSignal.subject:
        return
    signal = SystemSignal(
        condition="dead_letter",
        name=letter.function,
        state="failing",
        value=letter.deliveries,
        limit=0,
        detail=f"{letter.subject} {letter.event_id}: {letter.reason}"[:1000],
    )
    await tell(publisher, signal, occasion=letter.message_id)


class LagWatch:
    """Tells when something falls behind, and when it has caught up.

    Args:
        name: the function, or what else waits.
        limit: from which on it is behind: events that wait, or seconds that the oldest has waited. Caught up it is
            below half of that.
    """

    def __init__(self, name: str, limit: int, *, condition: Literal["lag", "backlog"] = "lag") -> None:
        self._name = name
        self._limit = limit
        self._condition: Literal["lag", "backlog"] = condition
        # None: a process that has just begun does not know what the one before it has said.
        self._behind: bool | None = None

    def see(self, value: int, detail: str = "") -> SystemSignal | None:
        """What there is to say now."""
        behind = value >= (self._limit // 2 if self._behind else self._limit)
        if behind == self._behind:
            return None
        self._behind = behind
        state: Literal["failing", "recovered"] = "failing" if behind else "recovered"
        return SystemSignal(
            condition=self._condition, name=self._name, state=state, value=value, limit=self._limit, detail=detail
        )

    def forget(self) -> None:
        """What was to be said could not be: say it again."""
        self._behind = None
