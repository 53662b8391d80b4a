"""Reading alerts, and what may be done to them."""

import asyncio
from typing import Any

import pytest

from functions.kit.identifiers import new_id
from tests.integration.alerts.conftest import Bus, alerts, crossed, one_alert
from tests.integration.conftest import NewTenant
from tests.platform import Api, Tenant, eventually

pytestmark = pytest.mark.integration


@pytest.fixture
async def alert(as_tenant: Api, tenant: Tenant, bus: Bus) -> dict[str, Any]:
    await bus.say(crossed(tenant), tenant.id)
    return await one_alert(as_tenant, tenant)


def path(tenant: Tenant, alert: dict[str, Any], verb: str = "") -> str:
    return f"/v1/tenants/{tenant.id}/alerts/{alert['id']}{verb}"


async def test_who_acknowledged_it_first_and_when_stays(
    as_tenant: Api, operator: Api, tenant: Tenant, alert: dict[str, Any]
) -> None:
    first = await as_tenant.call("POST", path(tenant, alert, "/acknowledge"))
    assert (first.status, first.body["status"], first.body["acknowledgedBy"]) == (200, "acknowledged", tenant.key_id)
    again = await operator.call("POST", f"/v1/alerts/{alert['id']}/acknowledge")
    assert (again.status, again.body) == (200, first.body)
    assert (await as_tenant.call("GET", path(tenant, alert))).body == first.body


async def test_a_resolved_alert_stays_resolved(as_tenant: Api, tenant: Tenant, alert: dict[str, Any]) -> None:
    done = await as_tenant.call("POST", path(tenant, alert, "/resolve"), {"note": "raised the limit"})
    assert (done.body["status"], done.body["note"], done.body["resolvedBy"]) == (
        "resolved",
        "raised the limit",
        tenant.key_id,
    )
    assert (await as_tenant.call("POST", path(tenant, alert, "/resolve"), {"note": "again"})).body == done.body
    for verb, body in (("/acknowledge", None), ("/assign", {"userId": None})):
        refused = await as_tenant.call("POST", path(tenant, alert, verb), body)
        assert (refused.status, refused.code) == (409, "alert_resolved")


async def test_it_is_assigned_to_users_of_the_tenant(
    as_tenant: Api, tenant: Tenant, new_tenant: NewTenant, api: Api, alert: dict[str, Any]
) -> None:
    async def user(of: Tenant) -> str:
        body = {"email": f"{new_id()}@example.com"}
        made = await api.as_(of.key).call("POST", f"/v1/tenants/{of.id}/users", body)
        return str(made.body["id"])

    mine, stranger = await user(tenant), await user(await new_tenant())
    assigned = await as_tenant.call("POST", path(tenant, alert, "/assign"), {"userId": mine})
    assert (assigned.body["assignedTo"], assigned.body["status"]) == (mine, "open")
    for nobody in (stranger, new_id(), "x"):
        refused = await as_tenant.call("POST", path(tenant, alert, "/assign"), {"userId": nobody})
        assert (refused.status, refused.code) == (422, "unknown_reference")
    free = await as_tenant.call("POST", path(tenant, alert, "/assign"), {"userId": None})
    assert (free.body["assignedTo"], free.body["assignedBy"]) == (None, None)


async def test_two_at_once_are_one_after_the_other(as_tenant: Api, tenant: Tenant, alert: dict[str, Any]) -> None:
    verbs = ("/acknowledge", "/resolve") * 8
    replies = await asyncio.gather(*(as_tenant.call("POST", path(tenant, alert, verb)) for verb in verbs))
    assert {reply.status for reply in replies} <= {200, 409}
    resolved = {reply.body["resolvedAt"] for reply in replies[1::2]}
    assert len(resolved) == 1
    assert (await as_tenant.call("GET", path(tenant, alert))).body["status"] == "resolved"


async def test_another_tenants_alerts_are_not_there(
    api: Api, tenant: Tenant, new_tenant: NewTenant, alert: dict[str, Any]
) -> None:
    other = await new_tenant()
    stranger = api.as_(other.key)
    for verb in ("", "/acknowledge", "/resolve"):
        method = "POST" if verb else "GET"
        assert (await stranger.call(method, path(tenant, alert, verb))).status == 403
        mine = await stranger.call(method, f"/v1/tenants/{other.id}/alerts/{alert['id']}{verb}")
        assert (mine.status, mine.code) == (404, "alert_not_found")
        assert (await stranger.call(method, f"/v1/alerts/{alert['id']}{verb}")).status == 403
    assert await alerts(stranger, other) == []
    assert (await stranger.call("GET", "/v1/alerts")).status == 403


async def test_pages_and_filters(as_tenant: Api, operator: Api, tenant: Tenant, bus: Bus) -> None:
    for threshold in (80, 90, 100, 110, 120):
        await bus.say(crossed(tenant, threshold), tenant.id)

    async def all_five() -> list[dict[str, Any]]:
        found = await alerts(as_tenant, tenant)
        return found if len(found) == 5 else []

    everything = await eventually(all_five)
    seen, cursor = [], ""
    while True:
        reply = await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/alerts?limit=2{cursor}")
        seen += reply.body["items"]
        if reply.body["nextCursor"] is None:
            break
        cursor = f"&cursor={reply.body['nextCursor']}"
    assert seen == everything == sorted(everything, key=lambda each: each["id"], reverse=True)
    grave = await alerts(as_tenant, tenant, "?severity=warning&severity=critical")
    assert sorted(each["details"]["threshold"] for each in grave) == [90, 100, 110, 120]
    assert await alerts(as_tenant, tenant, "?from=2199-01-01T00:00:00Z") == []
    assert await alerts(as_tenant, tenant, "?kind=guardrail") == []
    mine = await operator.call("GET", f"/v1/alerts?tenantId={tenant.id}")
    assert mine.body["items"] == everything


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "limit=0", "limit=201", "kind=weather", "status=closed", "from=yesterday", "from=0001-01-01T00:00:00Z",
     "colour=red", "cursor=WyJ4Il0", "cursor=WyIAIl0"],
)  # fmt: skip
async def test_what_cannot_be_asked(as_tenant: Api, tenant: Tenant, query: str) -> None:
    reply = await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/alerts?{query}")
    assert reply.status in {400, 422}, reply.body


async def test_what_is_no_alert_is_not_found(as_tenant: Api, operator: Api, tenant: Tenant) -> None:
    for name in (new_id(), "x", "%20", "0" * 500):
        assert (await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/alerts/{name}")).status == 404
    assert (await operator.call("GET", "/v1/alerts?tenantId=x")).status == 404
