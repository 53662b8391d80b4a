"""Every route of agents, asked by another tenant for what is this one's."""

import re

import pytest

from functions.kit.catalogue import Route, load_catalogue
from tests.integration.agents.executing import CALCULATE, Agent, approving, begin
from tests.integration.conftest import NewTenant
from tests.platform import Api, Tenant

# So that a route that is added is asked, too.
ROUTES = [route for function in load_catalogue().http() if function.context == "agents" for route in function.routes]
_BODIES = {
    "decision": {"decision": "approve"},
    "server": {"title": "Mine", "url": "http://127.0.0.1:1/mcp"},
    "accept": {"digest": "0" * 64},
    "tool": {"enabled": False},
    "chat": {"model": "code-chat/openai/gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]},
}


def body_of(route: Route) -> object:
    """One that would be good."""
    if route.method == "GET":
        return None
    for part, name in (("interrupts", "decision"), ("accept", "accept"), ("chat", "chat"), ("agents/tools", "tool")):
        if part in route.path:
            return _BODIES[name]
    if route.path.endswith("/execute"):
        return begin("react", {"task": "hi"})
    return _BODIES["server"] if route.method == "PUT" else {}


async def test_no_route_leads_to_another_tenant(api: Api, tenant: Tenant, new_tenant: NewTenant) -> None:
    own = Agent(api.as_(tenant.key))
    waiting = await own.execute("react", {"task": CALCULATE}, **approving("*"))
    registered = await own.api.call("PUT", "/v1/agents/mcp-servers/pets", _BODIES["server"])
    assert registered.status == 200, registered.body
    stranger = api.as_((await new_tenant()).key)
    ids = {
        "executionId": waiting["executionId"],
        "interruptId": waiting["interrupt"]["id"],
        "name": "pets",
        "tool": "get",
        "graphId": "react",
    }
    for route in ROUTES:
        path = re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], route.path)
        named = await stranger.call(route.method, path, body_of(route), x_tenant_id=tenant.id)
        assert (named.status, named.code) == (403, "forbidden"), route
        if "{" in route.path and "graphs" not in route.path and route.method != "PUT":
            unnamed = await stranger.call(route.method, path, body_of(route))
            assert unnamed.status == 404, (route, unnamed.body)
        elif route.method == "GET":
            listed = await stranger.call(route.method, path)
            assert waiting["executionId"] not in str(listed.body), route
            assert "127.0.0.1:1" not in str(listed.body), route
    told = await own.get(waiting["executionId"])
    assert (told["status"], told["interrupt"]) == ("waiting", waiting["interrupt"])


@pytest.mark.parametrize("tool", ["mcp.pets.get", "builtin.http_fetch"])
async def test_no_execution_is_given_another_tenants_tool(
    api: Api, tenant: Tenant, new_tenant: NewTenant, tool: str
) -> None:
    own, other = api.as_(tenant.key), api.as_((await new_tenant()).key)
    on = await own.call(
        "PUT", "/v1/agents/tools/builtin.http_fetch", {"enabled": True, "allowHosts": ["docs.example.com"]}
    )
    assert on.status == 200, on.body
    await own.call("PUT", "/v1/agents/mcp-servers/pets", _BODIES["server"])
    refused = await other.call("POST", "/v1/agents/execute", begin("react", {"task": "hi"}, tools=[tool]))
    assert (refused.status, refused.code) in {(404, "tool_not_found"), (403, "tool_disabled")}
