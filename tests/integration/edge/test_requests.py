"""What a function sees of a request, and what a caller sees of the edge: ids, headers, CORS, TLS, health."""

import asyncio
import re
import socket
import ssl

import aiohttp
import pytest
from yarl import URL

from tests.integration.edge.conftest import Edge

pytestmark = pytest.mark.integration


async def seen(answer: aiohttp.ClientResponse) -> dict[str, list[str]]:
    """The headers that reached the function, by lower-case name."""
    assert answer.status == 200
    headers: dict[str, list[str]] = {}
    for name, value in (await answer.json())["headers"]:
        headers.setdefault(name, []).append(value)
    return headers


async def test_own_request_id_is_kept(edge: Edge, bearer: dict[str, str]) -> None:
    headers = {**bearer, "X-Request-Id": "Order_66.a-b"}
    async with edge.client.get(f"{edge.http}/v1/things", headers=headers) as answer:
        assert answer.headers.getall("X-Request-Id") == ["Order_66.a-b"]
        assert (await seen(answer))["x-request-id"] == ["Order_66.a-b"]


@pytest.mark.parametrize("bad", ["", "with space", "x" * 129, "<script>", "a;b"])
async def test_odd_request_id_is_replaced(edge: Edge, bearer: dict[str, str], bad: str) -> None:
    async with edge.client.get(f"{edge.http}/v1/things", headers={**bearer, "X-Request-Id": bad}) as answer:
        made = answer.headers["X-Request-Id"]
        assert re.fullmatch("[0-9a-f]{32}", made)
        assert (await seen(answer))["x-request-id"] == [made]


async def test_function_cannot_change_the_request_id(edge: Edge, bearer: dict[str, str]) -> None:
    headers = {**bearer, "X-Request-Id": "mine"}
    async with edge.client.get(f"{edge.http}/v1/things?X-Request-Id=other", headers=headers) as answer:
        assert answer.headers.getall("X-Request-Id") == ["mine"]


async def test_errors_carry_the_callers_request_id(edge: Edge) -> None:
    async with edge.client.get(f"{edge.http}/v1/things", headers={"X-Request-Id": "mine"}) as answer:
        assert answer.status == 401
        assert answer.headers.getall("X-Request-Id") == ["mine"]


async def test_identity_headers_of_the_client_are_dropped(edge: Edge, bearer: dict[str, str]) -> None:
    spoofed = {
        "X-User-Id": "root",
        "X-Platform-Id": "other",
        "X-DCoder-Role": "superadmin",
        "x-dcoder-tenant": "t",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=10.0.0.1",
        "X-Real-IP": "10.0.0.1",
        "X-Consumer-Username": "root",
        "Knative-Serving-Tag": "candidate",
        "K-Network-Probe": "queue",
    }
    async with edge.client.get(f"{edge.http}/v1/things", headers={**bearer, **spoofed, "X-Tenant-Id": "t1"}) as answer:
        headers = await seen(answer)
    assert headers["x-tenant-id"] == ["t1"]
    assert headers["authorization"] == [bearer["Authorization"]]
    assert headers["x-forwarded-for"] == ["127.0.0.1"]
    assert headers["x-forwarded-proto"] == ["http"]
    assert headers["x-forwarded-host"] == [f"127.0.0.1:{edge.port}"]
    kept = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
    assert not {name.lower() for name in spoofed} - kept & set(headers)


async def test_path_and_query_arrive_as_sent(edge: Edge, bearer: dict[str, str]) -> None:
    path = "/v1/things/a%20b%3F?q=%2F&q=%C3%BC&x-empty="
    async with edge.client.get(URL(edge.http + path, encoded=True), headers=bearer) as answer:
        assert (await answer.json())["path"] == path


async def test_security_headers(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.get(f"{edge.http}/v1/things", headers=bearer) as answer:
        headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers
    assert "Strict-Transport-Security" not in headers


async def test_function_may_set_its_own_caching(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.get(f"{edge.http}/v1/things?Cache-Control=max-age=5", headers=bearer) as answer:
        assert answer.headers.getall("Cache-Control") == ["max-age=5"]


async def test_functions_headers_reach_the_caller(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.get(f"{edge.http}/v1/things?x-dcoder-cache=hit", headers=bearer) as answer:
        assert answer.headers["x-dcoder-cache"] == "hit"


async def test_preflight_needs_no_credential(edge: Edge) -> None:
    headers = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization",
    }
    async with edge.client.options(f"{edge.http}/v1/things", headers=headers) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert answer.headers["Access-Control-Max-Age"] == "3600"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "X-CSRF-Token" in answer.headers["Access-Control-Allow-Headers"]
        assert "Origin" in answer.headers["Vary"]


# What openai 6.49 and @anthropic-ai/sdk 1.14 send from a page (`dangerouslyAllowBrowser`), in streams and retries too.
_CLIENTS_SEND = """
    accept anthropic-beta anthropic-dangerous-direct-browser-access anthropic-version authorization content-type
    openai-organization openai-project x-api-key x-stainless-arch x-stainless-helper x-stainless-helper-method
    x-stainless-lang x-stainless-os x-stainless-package-version x-stainless-retry-count x-stainless-runtime
    x-stainless-runtime-version x-stainless-timeout
"""


async def test_the_official_clients_may_call_from_a_page(edge: Edge) -> None:
    headers = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(_CLIENTS_SEND.split()),
    }
    async with edge.client.options(f"{edge.http}/v1/things", headers=headers) as answer:
        allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    # `accept` needs no leave (fetch.spec.whatwg.org, CORS-safelisted request-header).
    assert set(_CLIENTS_SEND.split()) - allowed == {"accept"}


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000.evil.example", "null"])
async def test_other_origins_get_no_leave(edge: Edge, bearer: dict[str, str], origin: str) -> None:
    preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    async with edge.client.options(f"{edge.http}/v1/things", headers=preflight) as answer:
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    async with edge.client.get(f"{edge.http}/v1/things", headers={**bearer, "Origin": origin}) as answer:
        assert answer.status == 200
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_errors_can_be_read_across_origins(edge: Edge) -> None:
    async with edge.client.get(f"{edge.http}/v1/things", headers={"Origin": "http://127.0.0.1:5173"}) as answer:
        assert answer.status == 401
        assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:5173"
        assert "x-dcoder-cache" in answer.headers["Access-Control-Expose-Headers"]


async def test_tls(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.get(f"{edge.https}/v1/things", headers=bearer, ssl=edge.trust) as answer:
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        headers = await seen(answer)
    assert headers["x-forwarded-proto"] == ["https"]


async def test_http2_is_offered(edge: Edge) -> None:
    context = ssl.create_default_context(cafile=edge.directory / "tls.crt")
    context.set_alpn_protocols(["h2", "http/1.1"])

    def chosen() -> str | None:
        with (
            socket.create_connection(("127.0.0.1", edge.tls_port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            return secure.selected_alpn_protocol()

    assert await asyncio.to_thread(chosen) == "h2"


async def test_old_tls_is_refused(edge: Edge) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(edge.directory / "tls.crt")
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", edge.tls_port, ssl=old)


async def test_welcome_and_health(edge: Edge) -> None:
    async with edge.client.get(f"{edge.http}/") as answer:
        welcome = await answer.json()
    assert welcome["name"] == "D.Coder LLM Platform"
    async with edge.client.get(edge.http + welcome["links"]["live"]) as answer:
        assert await answer.json() == {"status": "ok", "checks": {}}
    async with edge.client.get(edge.http + welcome["links"]["ready"]) as answer:
        assert (await answer.json())["path"] == "/health/ready"
