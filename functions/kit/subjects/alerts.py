"""What is said of alerts, of the platform itself and of what is due."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from functions.kit.events import EventData
from functions.kit.models import ApiModel
from functions.kit.schedules import DUE

AlertKind = Literal["quota", "guardrail", "provider", "system"]
AlertSeverity = Literal["info", "warning", "critical"]
AlertStatus = Literal["open", "acknowledged", "resolved"]


class Alert(ApiModel):
    """Something that somebody should look at, and how far they are."""

    id: str
    tenant_id: str | None = Field(description="Null for what concerns the platform itself.")
    kind: AlertKind
    severity: AlertSeverity
    status: AlertStatus
    title: str
    details: dict[str, Any] = Field(description="Depends on the kind: docs/alerts.md.")
    count: int = Field(ge=1, description="How often it was seen since it was raised.")
    raised_at: datetime
    last_seen_at: datetime
    updated_at: datetime = Field(description="When anything of it changed last.")
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    assigned_to: str | None = Field(None, description="The user who is to see to it.")
    assigned_at: datetime | None = None
    assigned_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = Field(None, description="`system` where it went away by itself.")
    note: str = Field("", description="What was said when it was resolved.")


class AlertRaised(EventData):
    """There is a new alert."""

    subject: ClassVar[str] = "alert.raised"
    alert: Alert


class AlertUpdated(EventData):
    """An alert was acknowledged, assigned or resolved, got graver, or was seen twice as often as last said."""

    subject: ClassVar[str] = "alert.updated"
    alert: Alert


class SystemSignal(EventData):
    """The platform itself fails at something, or no longer does."""

    subject: ClassVar[str] = "system.signal"
    condition: Literal["dead_letter", "lag", "backlog", "schedule"]
    name: str = Field(
        description="The function whose events are set aside or wait, or whose schedule fails; of a backlog, what "
        "waits to become events: `usage`, `platform-outbox`, `tenant-outboxes`."
    )
    state: Literal["failing", "recovered"]
    value: int = Field(
        ge=0,
        description="Deliveries that the dead letter had, events that wait, or seconds that the oldest has waited; of "
        "a schedule nothing.",
    )
    limit: int = Field(ge=0, description="Of `value`, from which on it is failing.")
    detail: str = ""


class ScheduleDue(EventData):
    """A scheduled function is due. Temporal has it called with this; no stream carries it."""

    subject: ClassVar[str] = DUE
    function: str
    due: datetime
