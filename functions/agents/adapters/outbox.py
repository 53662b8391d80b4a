"""Events, by way of the outbox of the tenant's database."""

from functions.agents.core.models import Place
from functions.kit.database import unit_of_work
from functions.kit.events import Event, EventData

SOURCE = "/dcoder/agents"


class OutboxEvents:
    """Port `Events`."""

    def publish(self, data: EventData, place: Place, event_id: str) -> None:
        """Say it if and only if the unit of work on the tenant's database commits."""
        event = Event.of(data, tenant_id=place.tenant_id, source=SOURCE, event_id=event_id)
        unit_of_work().emit(event, database=place.database)
