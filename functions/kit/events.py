"""Events: CloudEvents 1.0 in structured JSON, with who and which request as extension attributes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import orjson

from functions.kit.clock import rfc3339, utc_now
from functions.kit.context import current
from functions.kit.identifiers import new_id
from functions.kit.models import ApiModel

CONTENT_TYPE = "application/cloudevents+json"
_EXTENSIONS = ("tenantid", "platformid", "userid", "requestid", "traceparent")


class EventError(ValueError):
    """The bytes are not a CloudEvent of ours."""


class EventData(ApiModel):
    """Base of every event's data; `subject` is the CloudEvents type and the NATS subject alike."""

    subject: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent. `(source, id)` names the fact for ever; consumers are idempotent on it."""

    id: str
    source: str
    type: str
    time: str
    data: Mapping[str, Any]
    tenant_id: str | None = None
    platform_id: str = ""
    user_id: str | None = None
    request_id: str = ""
    traceparent: str = ""

    @classmethod
    def of(
        cls,
        data: EventData,
        *,
        tenant_id: str | None,
        source: str,
        event_id: str | None = None,
        time: datetime | None = None,
    ) -> "Event":
        """The event that says `data`, labelled with the request being served."""
        context = current()
        return cls(
            id=event_id or new_id(),
            source=source,
            type=data.subject,
            time=rfc3339(time or utc_now()),
            data=data.model_dump(mode="json", by_alias=True),
            tenant_id=tenant_id,
            platform_id=context.platform_id,
            user_id=context.user_id,
            request_id=context.request_id,
            traceparent=context.traceparent,
        )

    def attributes(self) -> dict[str, str]:
        """The CloudEvents context attributes, absent ones left out."""
        pairs = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": self.time,
            "datacontenttype": "application/json",
            "tenantid": self.tenant_id,
            "platformid": self.platform_id,
            "userid": self.user_id,
            "requestid": self.request_id,
            "traceparent": self.traceparent,
        }
        return {name: value for name, value in pairs.items() if value}

    def to_json(self) -> bytes:
        """The structured JSON form."""
        return orjson.dumps({**self.attributes(), "data": self.data})

    @classmethod
    def from_json(cls, body: bytes | str) -> "Event":
        """Read the structured JSON form.

        Raises:
            EventError: it is not JSON, a required attribute is missing, or data is not an object.
        """
        try:
            document = orjson.loads(body)
            return cls.from_attributes(document, document.get("data"))
        except (orjson.JSONDecodeError, AttributeError) as error:
            raise EventError(f"not a structured CloudEvent: {error}") from error

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], data: object) -> "Event":
        """Put together an event from its parts.

        Raises:
            EventError: a required attribute is missing or data is not an object.
        """
        missing = [name for name in ("id", "source", "type") if not isinstance(attributes.get(name), str)]
        if missing or attributes.get("specversion") != "1.0":
            raise EventError(f"not a CloudEvent 1.0: {', '.join(missing) or 'specversion'}")
        if not isinstance(data, Mapping):
            raise EventError("the event's data is not an object")
        tenant, platform, user, request, trace = (attributes.get(name) for name in _EXTENSIONS)
        return cls(
            id=attributes["id"],
            source=attributes["source"],
            type=attributes["type"],
            time=str(attributes.get("time", "")),
            data=data,
            tenant_id=tenant,
            platform_id=platform or "",
            user_id=user,
            request_id=request or "",
            traceparent=trace or "",
        )
