"""Events, by way of the outbox of the tenant's database."""

from functions.kit.database import unit_of_work
from functions.kit.events import Event, EventData
from functions.knowledge.core.models import Space

SOURCE = "/dcoder/knowledge"


class OutboxEvents:
    """Port `Events`."""

    def publish(self, data: EventData, space: Space) -> None:
        """Say it if and only if the unit of work on the tenant's database commits."""
        event = Event.of(data, tenant_id=space.tenant_id, source=SOURCE)
        unit_of_work().emit(event, database=space.database)
