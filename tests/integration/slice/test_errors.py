"""Bad input and broken providers: each a clear envelope with the right status."""

import io
import json
from typing import Any

import pytest

from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Tenant, eventually

# As OpenAI's clients know it, with details of our own.
ENVELOPE = {"code", "message", "details", "type", "param"}
HELLO = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hello there."}]}


async def set_fault(api: Api, platform: Platform, tenant: Tenant, **fault: Any) -> None:
    body = {"key": tenant.provider_key, "times": 1, **fault}
    async with api.session.post(f"{platform.simulator}/_sim/faults", json=body) as response:
        assert response.status in {200, 201, 204}, await response.text()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"{", 400, "invalid_request"),
        (b"", 400, "invalid_request"),
        (b"[]", 422, "validation_failed"),
        (b"null", 422, "validation_failed"),
        (b"{}", 422, "validation_failed"),
        (b'{"model": "m"}', 422, "validation_failed"),
        (b'{"model": "m", "messages": []}', 422, "validation_failed"),
        (b'{"model": "m", "messages": "hi"}', 422, "validation_failed"),
        (b'{"model": "m", "messages": [{"role": "robot", "content": "x"}]}', 422, "validation_failed"),
        (b'{"model": 5, "messages": [{"role": "user", "content": "x"}]}', 422, "validation_failed"),
        (b'{"model": "nobody/x", "messages": [{"role": "user", "content": "x"}]}', 404, "model_not_found"),
        (b"\xff\xfe\x00", 400, "invalid_request"),
        (json.dumps({**HELLO, "temperature": 9}).encode(), 422, "validation_failed"),
    ],
)
async def test_bad_bodies(as_tenant: Api, data: bytes, status: int, code: str) -> None:
    reply = await as_tenant.call("POST", "/v1/chat/completions", data=data)
    assert (reply.status, reply.code) == (status, code), reply.body
    assert reply.body["error"].keys() == ENVELOPE
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize("data", [b'{"email": NaN}', b'{"\\ud800": 1}', b'{"name": "\\udc00"}', b"[" * 5_000])
async def test_what_python_takes_for_json_is_none(as_tenant: Api, tenant: Tenant, data: bytes) -> None:
    reply = await as_tenant.call("POST", f"/v1/tenants/{tenant.id}/users", data=data)
    assert (reply.status, reply.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        # [9223372036854775808], beyond a bigint; [""] with half a surrogate pair in it.
        ("/v1/audit/checkpoints?cursor=WzkyMjMzNzIwMzY4NTQ3NzU4MDhd", 400),
        ("/v1/audit?to=0001-01-01T00:00:00Z", 400),
        ("/v1/tenants/{id}/users?cursor=WyJcdWQ4MDAiXQ", 400),
        ("/v1/tenants/{id}/guardrails/findings?from=0001-01-01T00:00:00%2B14:00", 422),
    ],
)
async def test_what_the_database_does_not_have_is_no_outage_of_it(
    as_tenant: Api, tenant: Tenant, path: str, status: int
) -> None:
    assert (await as_tenant.call("GET", path.replace("{id}", tenant.id))).status == status


async def test_forty_megabytes_are_too_large_announced_or_not(as_tenant: Api) -> None:
    async def pieces() -> Any:
        for _ in range(40):
            yield b"x" * 1_000_000

    announced = await as_tenant.call("POST", "/v1/chat/completions", data=io.BytesIO(b"x" * 40_000_000))
    assert (announced.status, announced.code) == (413, "payload_too_large")
    chunked = await as_tenant.call("POST", "/v1/chat/completions", data=pieces())
    assert (chunked.status, chunked.code) == (413, "payload_too_large")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer dck_short"},
        {"authorization": "Bearer " + "dck_" + "0" * 40},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer a.b.c"},
        {"x_api_key": "dck_" + "Z" * 40},
        {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4Iiwicm9sZXMiOlsic3VwZXJhZG1pbiJdfQ."},
    ],
)
async def test_what_is_no_credential(api: Api, headers: dict[str, str]) -> None:
    reply = await api.call("POST", "/v1/chat/completions", HELLO, **headers)
    assert (reply.status, reply.code) == (401, "unauthenticated"), reply.body
    assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_an_expired_token_is_refused(platform: Platform, api: Api) -> None:
    token = platform.token("--role", "superadmin", "--ttl", "1")

    async def refused() -> bool:
        reply = await api.as_(token).call("GET", "/v1/tenants")
        return reply.status == 401

    assert await eventually(refused)


async def test_a_forged_token_is_refused(platform: Platform, api: Api, operator_token: str) -> None:
    head, payload, signature = operator_token.split(".")
    forged = f"{head}.{payload}.{signature[:-6]}AAAAAA"
    assert (await api.as_(forged).call("GET", "/v1/tenants")).status == 401


async def test_a_key_in_x_api_key_works(api: Api, tenant: Tenant) -> None:
    reply = await api.call("POST", "/v1/chat/completions", HELLO, x_api_key=tenant.key)
    assert reply.status == 200, reply.body


async def test_a_tenant_without_a_provider_is_told_what_to_do(operator: Api, api: Api) -> None:
    import uuid

    slug = f"t-{uuid.uuid4().hex[:12]}"
    made = await operator.call("POST", "/v1/tenants", {"name": "x", "slug": slug})
    reply = await api.as_(made.body["apiKey"]["secret"]).call("POST", "/v1/chat/completions", HELLO)
    assert (reply.status, reply.code) == (400, "provider_not_configured")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("429", 429, "provider_rate_limited"),
        ("500", 502, "provider_unavailable"),
        ("503", 502, "provider_unavailable"),
        ("reset", 502, "provider_unavailable"),
        ("garbage", 502, "provider_bad_response"),
        ("wrong-content-type", 502, "provider_bad_response"),
    ],
)
async def test_what_a_provider_does_wrong(
    platform: Platform, api: Api, tenant: Tenant, fault: str, status: int, code: str
) -> None:
    await set_fault(api, platform, tenant, fault=fault, times=5)
    reply = await api.as_(tenant.key).chat(f"Fault {fault}?", headers={"cache_control": "no-store"})
    assert (reply.status, reply.code) == (status, code), reply.body
    assert reply.body["error"]["details"]["provider"] == "openai"
    if status == 429:
        assert int(reply.headers["retry-after"]) >= 1


async def test_a_refused_provider_key_is_not_the_caller_s_fault(
    platform: Platform, api: Api, new_tenant: NewTenant
) -> None:
    tenant = await new_tenant()
    provider = {
        "name": "openai", "kind": "openai", "apiKey": "sk-invalid", "baseUrl": f"{platform.simulator}/openai/v1"
    }  # fmt: skip
    path = f"/v1/tenants/{tenant.id}/providers"
    assert (await api.as_(tenant.key).call("PUT", path, {"providers": [provider]})).status == 200

    async def refused() -> bool:
        reply = await api.as_(tenant.key).chat("Hello?", headers={"cache_control": "no-store"})
        return (reply.status, reply.body.get("error", {}).get("code")) == (502, "provider_authentication_failed")

    assert await eventually(refused)


async def test_a_provider_that_is_down(platform: Platform, api: Api, new_tenant: NewTenant) -> None:
    tenant = await new_tenant()
    provider = {"name": "openai", "kind": "openai", "apiKey": "sk-x", "baseUrl": "http://127.0.0.1:1/v1"}
    path = f"/v1/tenants/{tenant.id}/providers"
    stored = await api.as_(tenant.key).call("PUT", path, {"providers": [provider]})
    assert stored.status == 200, stored.body

    async def says_so() -> bool:
        reply = await api.as_(tenant.key).chat("Hello?", headers={"cache_control": "no-store"})
        return (reply.status, reply.body.get("error", {}).get("code")) == (502, "provider_unavailable")

    assert await eventually(says_so)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:2/v1", "http://169.254.169.254/latest", "https://evil.example/v1", "file:///etc/passwd"],
)
async def test_a_provider_at_an_address_that_is_not_allowed_is_not_stored(
    as_tenant: Api, tenant: Tenant, address: str
) -> None:
    provider = {"name": "openai", "kind": "openai", "apiKey": "sk-x", "baseUrl": address}
    refused = await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": [provider]})
    assert (refused.status, refused.code) == (400, "egress_denied")


@pytest.mark.parametrize("fault", ["cut-mid-stream", "error-mid-stream", "garbage"])
async def test_a_stream_that_breaks_says_so_and_is_not_done(
    platform: Platform, api: Api, tenant: Tenant, fault: str
) -> None:
    await set_fault(api, platform, tenant, fault=fault, times=5)
    headers = {"authorization": f"Bearer {tenant.key}", "cache-control": "no-store"}
    body = {**HELLO, "stream": True}
    async with api.session.post(f"{platform.edge}/v1/chat/completions", json=body, headers=headers) as response:
        text = await response.text()
    if response.status == 200:
        assert "[DONE]" not in text
        assert text.rstrip().splitlines()[-1].startswith('data: {"error":')
    else:
        assert json.loads(text)["error"]["code"].startswith("provider_")


async def test_unknown_paths_and_methods(as_tenant: Api) -> None:
    lost = await as_tenant.call("GET", "/v1/nothing/here")
    assert (lost.status, lost.code) == (404, "not_found")
    wrong = await as_tenant.call("DELETE", "/v1/chat/completions")
    assert (wrong.status, wrong.code) == (405, "method_not_allowed")
