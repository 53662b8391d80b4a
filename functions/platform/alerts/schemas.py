"""Alerts on the wire; an alert itself is as its events have it."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from functions.kit.models import ApiModel
from functions.kit.subjects import AlertKind, AlertSeverity, AlertStatus
from functions.platform.core.alerts import AlertFilter

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _possible(moment: datetime) -> datetime:
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("must be in the years 2000 to 2199")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_possible)]


class AlertQuery(ApiModel):
    """Which alerts to list. A filter that is given twice lets either through."""

    kind: Annotated[list[AlertKind], Field(max_length=10)] = Field(default_factory=list)
    severity: Annotated[list[AlertSeverity], Field(max_length=10)] = Field(default_factory=list)
    status: Annotated[list[AlertStatus], Field(max_length=10)] = Field(default_factory=list)
    start: Annotated[Moment | None, Field(alias="from", description="Raised then or later, RFC 3339.")] = None
    end: Annotated[Moment | None, Field(alias="to", description="Raised before.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=500)] = None

    def filter(self, tenant_id: str | None) -> AlertFilter:
        """As the use case takes it."""
        return AlertFilter(tuple(self.kind), tuple(self.severity), tuple(self.status), self.start, self.end, tenant_id)


class PlatformAlertQuery(AlertQuery):
    """The same for all tenants."""

    tenant_id: Annotated[str | None, Field(max_length=36)] = None


class AssignBody(ApiModel):
    """Who is to see to an alert."""

    user_id: Annotated[str | None, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="Null: nobody.")]


class ResolveBody(ApiModel):
    """What there is to say about the end of an alert."""

    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] = ""
