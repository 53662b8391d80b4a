"""Says on the event bus what the platform's parts would say, and reads what became of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from functions.kit.clock import utc_now
from functions.kit.events import Event, EventData
from functions.kit.identifiers import new_id
from functions.kit.quotas import span_of
from functions.kit.subjects import QuotaThreshold, QuotaUpdated, UsageRecord
from tests.platform import Api, Platform, Tenant, eventually


@dataclass(frozen=True)
class Bus:
    """The event bus of the running platform."""

    client: Client

    async def say(self, data: EventData, tenant_id: str | None) -> Event:
        event = Event.of(data, tenant_id=tenant_id, source="/test")
        await self.client.jetstream().publish(event.type, event.to_json(), headers={"Nats-Msg-Id": event.id})
        return event

    async def say_raw(self, subject: str, data: dict[str, Any], tenant_id: str) -> None:
        event = Event(new_id(), "/test", subject, utc_now().isoformat(), data, tenant_id)
        await self.client.jetstream().publish(subject, event.to_json(), headers={"Nats-Msg-Id": event.id})


@pytest.fixture
async def bus(platform: Platform) -> AsyncIterator[Bus]:
    client = await nats.connect(platform.status["credentials"]["natsUrl"], connect_timeout=5)
    yield Bus(client)
    await client.close()


def crossed(tenant: Tenant, threshold: int = 80, **fields: Any) -> QuotaThreshold:
    start = span_of("month", utc_now()).began
    return QuotaThreshold.model_validate(
        {
            "tenantId": tenant.id,
            "quotaId": new_id(),
            "subject": {"kind": "tenant"},
            "metric": "cost",
            "window": "month",
            "windowStart": start,
            "threshold": threshold,
            "used": threshold,
            "limit": 100,
            **fields,
        }
    )


def calls(tenant: Tenant, count: int, **fields: Any) -> QuotaUpdated:
    return QuotaUpdated(tenant_id=tenant.id, records=[record(tenant, **fields) for _ in range(count)])


def record(tenant: Tenant, *, at: datetime | None = None, **fields: Any) -> UsageRecord:
    return UsageRecord.model_validate(
        {
            "usage_id": new_id(),
            "tenant_id": tenant.id,
            "at": at or utc_now(),
            "provider": "openai",
            "model": "gpt-4o",
            "operation": "chat",
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "cost_micro_usd": 7,
            **fields,
        }
    )


async def alerts(api: Api, tenant: Tenant, query: str = "") -> list[dict[str, Any]]:
    reply = await api.call("GET", f"/v1/tenants/{tenant.id}/alerts{query}")
    assert reply.status == 200, reply.body
    items: list[dict[str, Any]] = reply.body["items"]
    return items


async def one_alert(api: Api, tenant: Tenant, query: str = "") -> dict[str, Any]:
    """The tenant's alert, as soon as there is one."""
    found = await eventually(lambda: alerts(api, tenant, query))
    assert len(found) == 1, found
    return found[0]
