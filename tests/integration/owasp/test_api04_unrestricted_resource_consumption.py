"""API4:2023. What a caller can make the platform do is bounded: sizes, pages, depth, numbers, time."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from docs.generate import openapi
from tests.integration.owasp.routes import envelope
from tests.platform import Api, Platform, Tenant

DOCUMENT = json.loads(openapi())
PAGED = [
    path
    for path, operations in DOCUMENT["paths"].items()
    for parameter in operations.get("get", {}).get("parameters", ())
    if parameter["name"] == "limit"
]


def test_there_are_listings() -> None:
    assert "/v1/tenants" in PAGED


@pytest.mark.parametrize("path", sorted(PAGED))
async def test_pages_are_bounded(operator: Api, tenant: Tenant, path: str) -> None:
    real = path.replace("{tenantId}", tenant.id)
    if "{" in real:
        pytest.skip("needs a thing to list within")
    for wrong in ("0", "-1", "100000000", "1e9", "99999999999999999999", "x", "%00"):
        reply = await operator.call("GET", f"{real}?limit={wrong}", x_tenant_id=tenant.id)
        assert reply.status in {400, 422}, (wrong, reply.body)
    for wrong in ("x", "%00", "A" * 4_000, "eyJpZCI6MX0"):
        reply = await operator.call("GET", f"{real}?cursor={wrong}", x_tenant_id=tenant.id)
        assert reply.status in {400, 414, 422}, (wrong[:20], reply.body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"model": "m", "messages": [{"role": "user", "content": ' + b"[" * 50_000 + b"]" * 50_000 + b"}]}",
        b'{"name": ' + b"9" * 500_000 + b"}",
        b'{"name": 1e999999}',
        b'{"name": "' + b"\\ud800" * 10_000 + b'"}',
        b'{"name": "\x00"}',
    ],
    ids=["lists", "objects", "content", "digits", "exponent", "surrogates", "nul"],
)
async def test_bodies_made_to_be_expensive(api: Api, tenant: Tenant, body: bytes) -> None:
    for method, path in (
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
        ("PATCH", f"/v1/tenants/{tenant.id}"),
        ("PUT", f"/v1/tenants/{tenant.id}/quotas"),
    ):
        reply = await api.as_(tenant.key).call(method, path, data=body)
        assert reply.status in {400, 413, 422}, (path, reply.status, str(reply.body)[:200])
        assert envelope(reply.body)


async def test_lists_in_bodies_are_bounded(api: Api, tenant: Tenant) -> None:
    mine, base = api.as_(tenant.key), f"/v1/tenants/{tenant.id}"
    limit = {"subject": {"kind": "user"}, "metric": "requests", "window": "day", "limit": 1}
    limits = [{**limit, "subject": {"kind": "user", "id": f"u{n}"}} for n in range(1_001)]
    policy = {"name": "p", "who": ["role:user"], "actions": ["llm:call"], "effect": "deny"}
    for method, path, body in (
        ("PUT", f"{base}/quotas", {"quotas": limits}),
        ("PUT", f"{base}/policies", {"policies": [{**policy, "name": f"p{n}"} for n in range(5_000)]}),
        ("PUT", f"{base}/providers", {"providers": [{"name": f"p{n}", "kind": "openai"} for n in range(1_000)]}),
        ("POST", f"{base}/users", {"email": "a@example.com", "groups": ["g"] * 1_000}),
    ):
        assert (await mine.call(method, path, body)).status in {413, 422}, path


def test_headers_without_end_are_cut_off(platform: Platform) -> None:
    edge = urlsplit(platform.edge)
    with socket.create_connection((edge.hostname or "", edge.port or 80), timeout=30) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nhost: edge\r\n" + b"x: " + b"y" * 1_000_000)
        assert b" 4" in connection.recv(100)
