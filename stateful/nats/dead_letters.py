"""Dead letters: an event that will not be handled, with what is known about why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from functions.kit.clock import rfc3339
from stateful.nats.streams import DEAD_LETTER_PREFIX

REASON = "Dcoder-Dead-Letter-Reason"
STATUS = "Dcoder-Dead-Letter-Status"
FUNCTION = "Dcoder-Dead-Letter-Function"
SUBJECT = "Dcoder-Dead-Letter-Subject"
DELIVERIES = "Dcoder-Dead-Letter-Deliveries"
PUBLISHED = "Dcoder-Dead-Letter-Published"
LAST_TRY = "Dcoder-Dead-Letter-Last-Try"
EVENT_ID = "Dcoder-Dead-Letter-Event-Id"
# On a replayed event: the only function it is meant for.
ONLY_FUNCTION = "Dcoder-Only-Function"


@dataclass(frozen=True, slots=True)
class Letter:
    """Why and where an event died.

    Attributes:
        status: the last HTTP status, 0 when there was none.
        sequence: the event's place in its stream.
        published: when it was published.
        last_try: when it was last tried.
    """

    function: str
    subject: str
    event_id: str
    sequence: int
    deliveries: int
    status: int
    reason: str
    published: datetime
    last_try: datetime

    @property
    def address(self) -> str:
        """The subject of the dead letter."""
        return f"{DEAD_LETTER_PREFIX}{self.subject}"

    @property
    def message_id(self) -> str:
        """Equal for a letter that is sent twice, different when a replayed event dies again."""
        return f"{self.event_id}:{self.function}:{self.sequence}"

    def headers(self) -> Mapping[str, str]:
        """What is known, as headers of the message."""
        return {
            REASON: self.reason,
            STATUS: str(self.status),
            FUNCTION: self.function,
            SUBJECT: self.subject,
            EVENT_ID: self.event_id,
            DELIVERIES: str(self.deliveries),
            PUBLISHED: rfc3339(self.published),
            LAST_TRY: rfc3339(self.last_try),
        }
