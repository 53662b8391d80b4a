"""API2:2023. No way in without a credential that the platform or its identity provider has given."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from functions.kit.principal import new_api_key
from tests.integration.owasp.routes import Guarded, envelope, guarded_routes
from tests.platform import Api, Platform, Tenant, eventually


def encoded(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.mark.parametrize("route", guarded_routes(), ids=str)
async def test_every_route_wants_a_credential(api: Api, route: Guarded) -> None:
    for credential in ("", new_api_key()):
        reply = await api.as_(credential).call(route.method, route.filled({}))
        assert reply.status == 401, reply.body
        assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_tokens_that_nobody_issued(platform: Platform, api: Api, operator_token: str) -> None:
    claims = claims_of(operator_token)
    kid = jwt.get_unverified_header(operator_token)["kid"]
    own_key = generate_private_key(65537, 2048)
    async with api.session.get(f"{platform.status['components']['oidc']['address']}/jwks") as response:
        published = (await response.json())["keys"]
    secret = json.dumps(published[0]).encode()
    confused = f"{encoded({'alg': 'HS256', 'kid': kid})}.{encoded(claims)}"
    confused_signature = base64.urlsafe_b64encode(hmac.digest(secret, confused.encode(), hashlib.sha256)).decode()
    forged = [
        f"{encoded({'alg': 'none', 'kid': kid})}.{encoded(claims)}.",
        f"{confused}.{confused_signature.rstrip('=')}",
        jwt.encode(claims, own_key, algorithm="RS256", headers={"kid": kid}),
        jwt.encode(claims, own_key, algorithm="RS256", headers={"kid": "../../etc/passwd"}),
        jwt.encode(claims, own_key, algorithm="RS256", headers={"kid": kid, "jku": "https://example.com/keys"}),
        jwt.encode(claims, own_key, algorithm="RS256", headers={"kid": kid, "jwk": published[0]}),
        ".".join([*operator_token.split(".")[:2], "A" * 86]),
    ]
    for token in forged:
        reply = await api.as_(token).call("GET", "/v1/tenants")
        assert reply.status == 401, (token[:60], reply.body)


async def test_a_credential_counts_where_it_belongs_only(api: Api, tenant: Tenant) -> None:
    path = f"/v1/tenants/{tenant.id}"
    for query in ("api_key", "access_token", "key", "token", "authorization"):
        assert (await api.call("GET", f"{path}?{query}={tenant.key}")).status == 401
    async with api.session.get(api.base + path, cookies={"session": tenant.key, "token": tenant.key}) as answer:
        assert answer.status == 401


async def test_a_changed_key_is_no_key(api: Api, tenant: Tenant) -> None:
    last = "a" if tenant.key[-1] != "a" else "b"
    for key in (tenant.key[:-1] + last, tenant.key.swapcase(), tenant.key + " ", tenant.key[:-1], tenant.key * 2):
        if key.strip() != tenant.key:
            assert (await api.as_(key).call("GET", "/v1/models")).status == 401


async def test_a_revoked_key_is_dead_within_seconds(api: Api, tenant: Tenant) -> None:
    base = f"/v1/tenants/{tenant.id}/api-keys"
    made = (await api.as_(tenant.key).call("POST", base, {"name": "short-lived"})).body
    caller = api.as_(made["secret"])
    assert (await caller.call("GET", "/v1/models")).status == 200
    assert (await api.as_(tenant.key).call("DELETE", f"{base}/{made['id']}")).status == 204

    async def refused() -> bool:
        return (await caller.call("GET", "/v1/models")).status == 401

    assert await eventually(refused, 5)


async def test_headers_made_to_break_the_check(api: Api) -> None:
    strange = ["Bearer " + "A" * 8_000, "bearer  ", "Bearer a.b.c.d", "Bearer " + ".".join("abc"),
               "Bearer eyJhbGciOiJSUzI1NiJ9.e30.", "Bearer ' OR 1=1 --", "Bearer %00", "Bearer dck_" + "'" * 40,
               "Bearer " + encoded({"alg": ["RS256"]}) + "." + encoded([]) + ".x"]  # fmt: skip
    for header in strange:
        reply = await api.call("GET", "/v1/tenants", authorization=header)
        assert reply.status in {400, 401}, (header[:40], reply.status)
        assert envelope(reply.body)


async def test_guessing_is_held_back_and_hurts_nobody_else(api: Api, tenant: Tenant) -> None:
    """Callers without a usable credential share one limit per address; a tenant's own calls do not count in it."""
    # From an address of its own: what is used up here would be missing in the tests after it.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, local_addr=("127.0.0.2", 0))) as elsewhere:
        guesser = Api(elsewhere, api.base, "not-a-key")
        started, refused = time.monotonic(), False
        while not refused and time.monotonic() - started < 30:
            replies = await asyncio.gather(*(guesser.call("GET", "/v1/models") for _ in range(100)))
            assert {reply.status for reply in replies} <= {401, 429}
            refused = any(reply.status == 429 for reply in replies)
        assert refused
        own = Api(elsewhere, api.base, tenant.key)
        assert (await own.call("GET", "/v1/models")).status == 200

        async def forgiven() -> bool:
            return (await guesser.call("GET", "/v1/models")).status == 401

        assert await eventually(forgiven)
