"""What raises alerts, how often, and what takes them back."""

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from functions.kit.identifiers import new_id
from functions.kit.subjects import GuardrailAlerted, SystemSignal
from tests.integration.alerts.conftest import Bus, alerts, calls, crossed, one_alert
from tests.platform import Api, Tenant, eventually

pytestmark = pytest.mark.integration


async def test_calls_that_cross_thresholds_raise_one_alert_for_each(as_tenant: Api, tenant: Tenant) -> None:
    limit = {"subject": {"kind": "tenant"}, "metric": "requests", "window": "day", "limit": 5, "hard": False}
    stored = await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/quotas", {"quotas": [limit]})
    quota_id = stored.body["quotas"][0]["id"]
    asked = 0

    async def told() -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        await as_tenant.chat(f"How deep is harbour {asked}?")
        found = await alerts(as_tenant, tenant)
        return found if len(found) >= 3 else []

    found = {alert["details"]["threshold"]: alert for alert in await eventually(told)}
    assert {t: a["severity"] for t, a in found.items()} == {80: "info", 90: "warning", 100: "critical"}
    assert {a["details"]["quotaId"] for a in found.values()} == {quota_id}
    assert {(a["kind"], a["status"], a["count"]) for a in found.values()} == {("quota", "open", 1)}


async def test_a_threshold_that_is_told_again_raises_nothing(as_tenant: Api, tenant: Tenant, bus: Bus) -> None:
    told, marker = crossed(tenant), crossed(tenant, 90)
    await bus.say(told, tenant.id)
    first = await one_alert(as_tenant, tenant)
    resolved = await as_tenant.call("POST", f"/v1/tenants/{tenant.id}/alerts/{first['id']}/resolve")
    assert resolved.body["status"] == "resolved"
    await bus.say(told, tenant.id)
    await bus.say(marker, tenant.id)
    await one_alert(as_tenant, tenant, "?severity=warning")
    assert [alert["id"] for alert in await alerts(as_tenant, tenant, "?severity=info")] == [first["id"]]
    raised_anew = crossed(tenant, quotaId=told.quota_id, limit=200)
    await bus.say(raised_anew, tenant.id)
    await one_alert(as_tenant, tenant, "?severity=info&status=open")


async def test_a_failing_provider_has_one_alert_that_ends_with_the_trouble(
    as_tenant: Api, tenant: Tenant, bus: Bus
) -> None:
    await bus.say(calls(tenant, 3, provider="elsewhere", status="error"), tenant.id)
    await bus.say(calls(tenant, 6, status="error"), tenant.id)
    alert = await one_alert(as_tenant, tenant, "?kind=provider")
    assert (alert["severity"], alert["details"]["errors"], alert["details"]["calls"]) == ("critical", 6, 6)
    await bus.say(calls(tenant, 30, cached="hit"), tenant.id)
    await bus.say(calls(tenant, 4, status="error"), tenant.id)

    async def seen_again() -> bool:
        return bool((await one_alert(as_tenant, tenant, "?kind=provider"))["count"] == 2)

    await eventually(seen_again)
    await bus.say(calls(tenant, 40), tenant.id)
    ended = (await eventually(lambda: alerts(as_tenant, tenant, "?status=resolved")))[0]
    assert (ended["id"], ended["resolvedBy"], ended["note"]) == (alert["id"], "system", "calls succeed again")


def found(tenant: Tenant, *findings: dict[str, Any]) -> GuardrailAlerted:
    common = {"rule": "r", "score": 0.9, "count": 1, "where": "request", "excerpt": "mail <EMAIL_ADDRESS>"}
    return GuardrailAlerted.model_validate(
        {
            "tenantId": tenant.id,
            "usageId": new_id(),
            "requestId": "r-1",
            "at": "2026-03-01T12:30:00Z",
            "provider": "openai",
            "model": "gpt-4o",
            "severity": "high",
            "findings": [{**common, **finding} for finding in findings],
        }
    )


async def test_findings_of_an_hour_are_one_alert_for_each_detector_and_kind(
    as_tenant: Api, tenant: Tenant, bus: Bus
) -> None:
    mail = {"kind": "pii", "type": "EMAIL_ADDRESS", "detector": "pii", "severity": "medium", "count": 2}
    phone = {"kind": "pii", "type": "PHONE_NUMBER", "detector": "pii", "severity": "low"}
    attack = {"kind": "prompt_injection", "type": "override", "detector": "rules", "severity": "high"}
    await bus.say(found(tenant, mail, phone), tenant.id)
    await bus.say(found(tenant, phone, attack), tenant.id)

    async def both() -> dict[str, dict[str, Any]]:
        seen = {a["details"]["findingKind"]: a for a in await alerts(as_tenant, tenant, "?kind=guardrail")}
        return seen if len(seen) == 2 and seen["pii"]["count"] == 4 else {}

    seen = await eventually(both)
    assert (seen["pii"]["severity"], seen["prompt_injection"]["severity"]) == ("warning", "critical")
    assert seen["pii"]["details"]["last"]["excerpt"] == "mail <EMAIL_ADDRESS>"
    later = found(tenant, mail).model_copy(update={"at": datetime(2026, 3, 1, 13, tzinfo=UTC)})
    await bus.say(later, tenant.id)

    async def three() -> bool:
        return len(await alerts(as_tenant, tenant, "?kind=guardrail")) == 3

    await eventually(three)


async def test_an_event_nobody_can_read_is_an_alert_of_the_operators(
    operator: Api, as_tenant: Api, tenant: Tenant, bus: Bus
) -> None:
    async def about_the_mirror() -> list[dict[str, Any]]:
        reply = await operator.call("GET", "/v1/alerts?kind=system&status=open")
        return [a for a in reply.body["items"] if a["details"].get("name") == "platform-quota-mirror"]

    await bus.say_raw("quota.updated", {"tenantId": tenant.id, "records": "none"}, tenant.id)
    alert = (await eventually(about_the_mirror))[0]
    assert (alert["tenantId"], alert["severity"]) == (None, "critical")
    assert "quota.updated" in alert["details"]["detail"]
    assert await alerts(as_tenant, tenant) == []
    assert (await operator.call("POST", f"/v1/alerts/{alert['id']}/assign", {"userId": "operator-7"})).status == 200
    assert (await operator.call("POST", f"/v1/alerts/{alert['id']}/resolve", {"note": "a test"})).status == 200


@pytest.mark.parametrize(
    ("condition", "title"),
    [("lag", "2000 events wait for {}"), ("backlog", "{}: the oldest has waited 2000 seconds to be published")],
)
async def test_what_falls_behind_is_over_when_it_is_said_to_be(
    operator: Api, bus: Bus, condition: Literal["lag", "backlog"], title: str
) -> None:
    name = f"test-{new_id()}"

    async def found(status: str) -> list[dict[str, Any]]:
        reply = await operator.call("GET", f"/v1/alerts?kind=system&status={status}&limit=200")
        return [a for a in reply.body["items"] if a["details"].get("name") == name]

    signal = SystemSignal(condition=condition, name=name, state="failing", value=2000, limit=1000)
    await bus.say(signal, None)
    raised = (await eventually(lambda: found("open")))[0]
    assert (raised["title"], raised["severity"]) == (title.format(name), "warning")
    await bus.say(signal.model_copy(update={"state": "recovered", "value": 3}), None)
    assert (await eventually(lambda: found("resolved")))[0]["id"] == raised["id"]
