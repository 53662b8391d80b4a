"""GET and PUT /v1/agents/tools through the edge."""

import pytest

from tests.integration.conftest import NewTenant
from tests.platform import Api, Tenant

TOOLS = "/v1/agents/tools"


async def test_the_tools_there_are(as_tenant: Api) -> None:
    listed = await as_tenant.call("GET", TOOLS)
    assert listed.status == 200, listed.body
    tools = {tool["name"]: tool for tool in listed.body["items"]}
    assert {name: tool["enabled"] for name, tool in tools.items()} == {
        "builtin.calculator": True,
        "builtin.code": False,
        "builtin.http_fetch": False,
        "builtin.knowledge_search": True,
    }
    assert tools["builtin.calculator"]["inputSchema"]["required"] == ["expression"]
    assert "sandbox" in tools["builtin.code"]["unusable"]
    assert (await as_tenant.call("GET", f"{TOOLS}/builtin.calculator")).body == tools["builtin.calculator"]


async def test_pages(as_tenant: Api) -> None:
    names: list[str] = []
    cursor = ""
    while True:
        page = (await as_tenant.call("GET", f"{TOOLS}?limit=3{cursor}")).body
        names += [tool["name"] for tool in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert names == sorted(names)
    assert len(names) == 4


async def test_turning_on_and_off(as_tenant: Api) -> None:
    on = await as_tenant.call(
        "PUT", f"{TOOLS}/builtin.http_fetch", {"enabled": True, "allowHosts": ["docs.example.com", "*.example.org"]}
    )
    assert on.status == 200, on.body
    assert on.body["allowHosts"] == ["docs.example.com", "*.example.org"]
    off = await as_tenant.call("PUT", f"{TOOLS}/builtin.calculator", {"enabled": False})
    assert (off.status, off.body["enabled"], off.body["enabledByDefault"]) == (200, False, True)
    listed = {tool["name"]: tool for tool in (await as_tenant.call("GET", TOOLS)).body["items"]}
    assert listed["builtin.http_fetch"] == on.body
    assert listed["builtin.calculator"] == off.body


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("builtin.nothing", {"enabled": True}, 404, "tool_not_found"),
        ("nothing", {"enabled": True}, 404, "tool_not_found"),
        ("mcp.none.none", {"enabled": True}, 404, "tool_not_found"),
        ("builtin.code", {"enabled": True}, 409, "tool_unusable"),
        ("builtin.calculator", {"enabled": True, "allowHosts": ["a.com"]}, 422, "hosts_refused"),
        ("builtin.calculator", {}, 422, "validation_failed"),
        ("builtin.calculator", {"enabled": "maybe"}, 422, "validation_failed"),
        ("builtin.http_fetch", {"enabled": True, "allowHosts": ["*"]}, 422, "validation_failed"),
        ("builtin.http_fetch", {"enabled": True, "allowHosts": ["*.com/x"]}, 422, "validation_failed"),
        ("builtin.http_fetch", {"enabled": True, "allowHosts": ["a.com"] * 101}, 422, "validation_failed"),
        ("a%20b", {"enabled": True}, 422, "validation_failed"),
    ],
)
async def test_what_is_refused(as_tenant: Api, name: str, body: object, status: int, code: str) -> None:
    reply = await as_tenant.call("PUT", f"{TOOLS}/{name}", body)
    assert (reply.status, reply.code) == (status, code)


async def test_users_see_tools_and_change_none(api: Api, as_tenant: Api, tenant: Tenant) -> None:
    made = await as_tenant.call("POST", f"/v1/tenants/{tenant.id}/api-keys", {"name": "user", "role": "user"})
    user = api.as_(made.body["secret"])
    assert (await user.call("GET", TOOLS)).status == 200
    refused = await user.call("PUT", f"{TOOLS}/builtin.calculator", {"enabled": False})
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_one_tenants_tools_are_not_anothers(api: Api, new_tenant: NewTenant, operator: Api) -> None:
    one, other = await new_tenant(), await new_tenant()
    await api.as_(one.key).call("PUT", f"{TOOLS}/builtin.calculator", {"enabled": False})
    assert (await api.as_(other.key).call("GET", f"{TOOLS}/builtin.calculator")).body["enabled"] is True
    for tenant, enabled in ((one, False), (other, True)):
        seen = await operator.call("GET", f"{TOOLS}/builtin.calculator", x_tenant_id=tenant.id)
        assert seen.body["enabled"] is enabled
    assert (await operator.call("GET", TOOLS)).status == 400
    assert (await api.as_(other.key).call("GET", TOOLS, x_tenant_id=one.id)).status == 403
