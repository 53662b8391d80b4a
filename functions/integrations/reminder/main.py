"""Every 30 minutes: documents whose task was lost are asked for again, and those that nothing comes of given up."""

from functions.integrations.core.remind import RemindOfDocuments
from functions.integrations.wiring_background import reminder
from functions.kit.eventing import event_function
from functions.kit.events import Event


async def remind(use: RemindOfDocuments, _: Event) -> None:
    """Do it now, however late it is."""
    await use()


handle = event_function(reminder, name="integrations-reminder", database=None)(remind)
