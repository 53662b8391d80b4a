"""An event's data as the model that its subject promises."""

from typing import TypeVar

from pydantic import ValidationError

from functions.kit.errors import UnreadableEvent
from functions.kit.events import Event, EventData

Data = TypeVar("Data", bound=EventData)


def read(kind: type[Data], event: Event) -> Data:
    """The data.

    Raises:
        UnreadableEvent: they are not what the subject promises.
    """
    try:
        return kind.model_validate(event.data)
    except ValidationError as error:
        raise UnreadableEvent(f"{event.type}: {error.error_count()} fields are wrong") from error
