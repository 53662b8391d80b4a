"""Events, by way of the outbox of the tenant's database."""

from functions.kit.database import unit_of_work
from functions.kit.events import Event, EventData

SOURCE = "/dcoder/integrations"


class OutboxEvents:
    """Port `Events`."""

    def publish(self, data: EventData, tenant_id: str, database: str) -> None:
        """Say it if and only if the unit of work on the tenant's database commits."""
        unit_of_work().emit(Event.of(data, tenant_id=tenant_id, source=SOURCE), database=database)
