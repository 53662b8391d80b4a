"""A tenant's OpenAPI document as an MCP server, used by the official client through the edge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import httpx2 as httpx
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.integration.conftest import NewTenant
from tests.integration.integrations.conftest import DOCUMENT, Pets
from tests.platform import Api, Tenant, eventually

OPERATIONS = ["getPet", "createPet", "moved", "huge", "broken"]


def registration(pets: Pets, **more: Any) -> dict[str, Any]:
    return {"title": "Pets", "openapi": DOCUMENT, "baseUrl": pets.base_url, "operations": OPERATIONS, **more}


def path(tenant: Tenant, name: str = "pets") -> str:
    return f"/v1/tenants/{tenant.id}/mcp-servers/{name}"


@asynccontextmanager
async def connected(api: Api, credential: str, name: str = "pets") -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {credential}"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(f"{api.base}/v1/mcp/{name}", http_client=http)
        async with Client(transport) as client:
            yield client


def text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def test_tools_are_listed_and_called(api: Api, as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    stored = await as_tenant.call("PUT", path(tenant), registration(pets))
    assert stored.status == 200, stored.body
    assert stored.body["path"] == "/v1/mcp/pets"
    async with connected(api, tenant.key) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == set(OPERATIONS)
        assert tools["getPet"].input_schema["required"] == ["petId"]
        found = await client.call_tool("getPet", {"petId": "../secret"})
        assert not found.is_error
        assert found.structured_content == {"method": "GET", "path": "/pets/../secret", "name": "Rex"}
        assert pets.seen[-1][1] == "/pets/..%2Fsecret"
        made = await client.call_tool("createPet", {"body": {"name": "Rex"}})
        assert not made.is_error
        assert pets.seen[-1][3] == '{"name":"Rex"}'


async def test_nothing_but_the_listed_operations(api: Api, as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    await as_tenant.call("PUT", path(tenant), registration(pets, operations=["getPet"]))
    async with connected(api, tenant.key) as client:
        for name in ("deletePet", "createPet", "", "../x"):
            with pytest.raises(MCPError, match="no tool"):
                await client.call_tool(name, {"petId": "1"})
    assert not pets.seen


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("getPet", {}, "petId"),
        ("getPet", {"petId": ".."}, "part of a path"),
        ("createPet", {"body": {}}, "name"),
        ("createPet", {"body": "text"}, "object"),
        ("getPet", {"petId": "1", "more": True}, "more"),
        ("createPet", {"body": {"name": "Rex", "age": 10**30}}, "64 bits"),
        ("moved", {}, "redirects are not followed"),
        ("huge", {}, "more than 1048576 bytes"),
        ("broken", {}, "500"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(
    api: Api, as_tenant: Api, tenant: Tenant, pets: Pets, name: str, arguments: dict[str, Any], why: str
) -> None:
    await as_tenant.call("PUT", path(tenant), registration(pets))
    async with connected(api, tenant.key) as client:
        result = await client.call_tool(name, arguments)
    assert result.is_error
    assert why in text(result)


async def test_an_api_that_is_away(api: Api, as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    away = registration(pets) | {"baseUrl": "http://127.0.0.1:1"}
    assert (await as_tenant.call("PUT", path(tenant), away)).status == 200
    async with connected(api, tenant.key) as client:
        result = await client.call_tool("getPet", {"petId": "1"})
    assert result.is_error
    assert "cannot be reached" in text(result)


async def test_the_callers_credential_is_never_passed_on(api: Api, as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    for auth, secret, header, sent in (
        ({"kind": "none"}, None, "authorization", None),
        ({"kind": "bearer"}, "upstream-1", "authorization", "Bearer upstream-1"),
        ({"kind": "header", "header": "X-Pets-Key"}, "upstream-2", "x-pets-key", "upstream-2"),
    ):
        body = registration(pets, auth=auth, **({"secret": secret} if secret else {}))
        stored = await as_tenant.call("PUT", path(tenant), body)
        assert stored.status == 200, stored.body
        assert stored.body["hasSecret"] is bool(secret)
        assert not secret or secret not in str(stored.body)
        async with connected(api, tenant.key) as client:
            await client.call_tool("getPet", {"petId": "1"})
        assert pets.headers().get(header) == sent
        assert tenant.key not in str(pets.seen)


async def test_a_token_is_asked_for_this_api_alone(api: Api, as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    auth = {"kind": "oauth2", "tokenUrl": f"{pets.base_url}/token", "clientId": "dcoder", "scope": "pets"}
    stored = await as_tenant.call("PUT", path(tenant), registration(pets, auth=auth, secret="client-secret"))
    assert stored.status == 200, stored.body
    async with connected(api, tenant.key) as client:
        for _ in range(2):
            await client.call_tool("getPet", {"petId": "1"})
    asked = [parse_qs(body) for _, where, _, body in pets.seen if where == "/token"]
    assert len(asked) == 1
    assert asked[0]["resource"] == [pets.base_url]
    assert asked[0]["grant_type"] == ["client_credentials"]
    assert pets.headers()["authorization"] == "Bearer for-pets-alone"


ODD: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/refused": {"get": {"operationId": "refused"}},
        "/long": {"get": {"operationId": "long"}},
        "/keyed": {
            "get": {
                "operationId": "keyed",
                "parameters": [{"name": "x-pets-key", "in": "header", "schema": {"type": "string"}}],
            }
        },
    },
}


async def test_a_token_that_was_taken_back_is_asked_for_anew(
    api: Api, as_tenant: Api, tenant: Tenant, pets: Pets
) -> None:
    auth = {"kind": "oauth2", "tokenUrl": f"{pets.base_url}/token", "clientId": "dcoder"}
    body = registration(pets, openapi=ODD, operations=["refused"], auth=auth, secret="client-secret")
    stored = await as_tenant.call("PUT", path(tenant), body)
    assert stored.status == 200, stored.body
    async with connected(api, tenant.key) as client:
        for _ in range(2):
            assert "401" in text(await client.call_tool("refused", {}))
    assert [where for _, where, _, _ in pets.seen] == ["/token", "/refused"] * 2


async def test_a_caller_adds_nothing_to_the_credential(api: Api, as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    auth = {"kind": "header", "header": "X-Pets-Key"}
    body = registration(pets, openapi=ODD, operations=["keyed", "long"], auth=auth, secret="upstream")
    assert (await as_tenant.call("PUT", path(tenant), body)).status == 200
    async with connected(api, tenant.key) as client:
        await client.call_tool("keyed", {"x-pets-key": "mine"})
        assert pets.headers()["x-pets-key"] == "upstream"
        # What does not fit is said to be left out.
        assert text(await client.call_tool("long", {})).endswith("10 of 200010 characters are left out)")


async def test_two_that_register_one_name_at_once_leave_a_secret_that_opens(
    api: Api, as_tenant: Api, tenant: Tenant, pets: Pets
) -> None:
    bodies = [registration(pets, auth={"kind": "bearer"}, secret=f"upstream-{number}") for number in range(8)]
    stored = await asyncio.gather(*(as_tenant.call("PUT", path(tenant), body) for body in bodies))
    assert {reply.status for reply in stored} == {200}
    async with connected(api, tenant.key) as client:
        result = await client.call_tool("getPet", {"petId": "1"})
    assert not result.is_error, text(result)
    assert pets.headers()["authorization"].startswith("Bearer upstream-")


async def test_a_kept_secret_cannot_be_led_elsewhere(as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    first = registration(pets, auth={"kind": "bearer"}, secret="upstream-1")
    assert (await as_tenant.call("PUT", path(tenant), first)).status == 200
    kept = registration(pets, auth={"kind": "bearer"}, title="Renamed")
    assert (await as_tenant.call("PUT", path(tenant), kept)).status == 200
    for change in ({"baseUrl": "http://127.0.0.1:1"}, {"auth": {"kind": "header", "header": "X-A"}}):
        refused = await as_tenant.call("PUT", path(tenant), kept | change)
        assert (refused.status, refused.code) == (422, "upstream_secret_missing")


async def test_policies_are_asked_again_for_each_tool(api: Api, as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    await as_tenant.call("PUT", path(tenant), registration(pets))
    made = await as_tenant.call("POST", f"/v1/tenants/{tenant.id}/api-keys", {"name": "agent", "role": "user"})
    deny = {"name": "no-writes", "who": ["role:user"], "actions": ["mcp:call"], "effect": "deny",
            "when": "resource.name == 'pets/createPet'"}  # fmt: skip
    stored = await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/policies", {"policies": [deny]})
    assert stored.status == 200, stored.body

    async def hidden() -> bool:
        async with connected(api, made.body["secret"]) as client:
            return "createPet" not in {tool.name for tool in (await client.list_tools()).tools}

    assert await eventually(hidden)
    async with connected(api, made.body["secret"]) as client:
        with pytest.raises(MCPError, match="no tool"):
            await client.call_tool("createPet", {"body": {"name": "x"}})
        assert not (await client.call_tool("getPet", {"petId": "1"})).is_error


async def test_another_tenants_server_is_not_there(api: Api, new_tenant: NewTenant, pets: Pets) -> None:
    tenant = await new_tenant()
    as_tenant = api.as_(tenant.key)
    await as_tenant.call("PUT", path(tenant), registration(pets))
    stranger = await new_tenant()
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"accept": "application/json, text/event-stream"}
    for credential, status in ((stranger.key, 404), (tenant.key, 200), ("", 401)):
        assert (await api.as_(credential).call("POST", "/v1/mcp/pets", ask, **accept)).status == status
    named = await api.as_(stranger.key).call("POST", "/v1/mcp/pets", ask, x_tenant_id=tenant.id, **accept)
    assert named.status == 403


async def test_a_removed_server_is_gone(as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    await as_tenant.call("PUT", path(tenant), registration(pets))
    assert [s["name"] for s in (await as_tenant.call("GET", path(tenant, "")[:-1])).body["items"]] == ["pets"]
    assert (await as_tenant.call("DELETE", path(tenant))).status == 204
    for method, where in (("GET", path(tenant)), ("DELETE", path(tenant)), ("POST", "/v1/mcp/pets")):
        gone = await as_tenant.call(method, where, {} if method == "POST" else None)
        assert (gone.status, gone.code) == (404, "mcp_server_not_found")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"operations": ["nope"]}, 422, "openapi_refused"),
        ({"operations": []}, 422, "validation_failed"),
        ({"openapi": {"swagger": "2.0"}}, 422, "openapi_refused"),
        ({"openapi": []}, 422, "validation_failed"),
        ({"baseUrl": "https://127.0.0.1/"}, 400, "egress_denied"),
        ({"baseUrl": "https://localhost/"}, 400, "egress_denied"),
        ({"baseUrl": "https://169.254.169.254/"}, 400, "egress_denied"),
        ({"baseUrl": "http://example.com/"}, 400, "egress_denied"),
        ({"baseUrl": "ftp://example.com/"}, 422, "validation_failed"),
        ({"baseUrl": None}, 422, "openapi_refused"),
        ({"baseUrl": "https://example.com/v1?key=1"}, 422, "openapi_refused"),
        ({"auth": {"kind": "bearer"}}, 422, "upstream_secret_missing"),
        ({"auth": {"kind": "header"}}, 422, "validation_failed"),
        ({"auth": {"kind": "none", "header": "X"}}, 422, "validation_failed"),
        ({"auth": {"kind": "oauth2", "tokenUrl": "https://10.0.0.1/", "clientId": "c"}, "secret": "s"}, 400,
         "egress_denied"),
    ],
)  # fmt: skip
async def test_what_cannot_be_registered(
    as_tenant: Api, tenant: Tenant, pets: Pets, change: dict[str, Any], status: int, code: str
) -> None:
    reply = await as_tenant.call("PUT", path(tenant), registration(pets) | change)
    assert (reply.status, reply.code) == (status, code), reply.body


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"jsonrpc": "2.0", "method": 5}', b"[" * 3_000])
async def test_what_is_no_request(as_tenant: Api, tenant: Tenant, pets: Pets, data: bytes) -> None:
    await as_tenant.call("PUT", path(tenant), registration(pets))
    reply = await as_tenant.call("POST", "/v1/mcp/pets", data=data, accept="application/json, text/event-stream")
    assert 400 <= reply.status < 500, reply.body
