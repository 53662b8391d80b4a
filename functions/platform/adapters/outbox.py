"""Events, by way of the unit of work's outbox."""

from functions.kit.database import unit_of_work
from functions.kit.events import Event, EventData

SOURCE = "/dcoder/platform"


class OutboxEvents:
    """Port `Events`."""

    def publish(self, data: EventData, tenant_id: str | None) -> None:
        """Say it if and only if the unit of work commits."""
        unit_of_work().emit(Event.of(data, tenant_id=tenant_id, source=SOURCE))
