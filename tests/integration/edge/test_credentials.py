"""What the edge can tell of a credential without asking, and what it learns of tenants."""

import asyncio
import base64
import json
import secrets
import time
import uuid

import pytest
from multidict import CIMultiDict

from tests.integration.edge.conftest import Edge, api_key, eventually, tenant

pytestmark = pytest.mark.integration


def token(*, algorithm: object = "RS256", signature: str = "c2lnbmVk", **claims: object) -> str:
    head = {"typ": "JWT", "alg": algorithm}
    return f"{_encoded(head)}.{_encoded(claims)}.{signature}"


def _encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def session(tenant_id: str = "") -> str:
    return f"s1.{tenant_id or uuid.uuid4()}.{secrets.token_urlsafe(32)}"


def soon() -> int:
    # Cases are made when the run begins, and may be asked at its end.
    return int(time.time()) + 7200


async def status(edge: Edge, headers: dict[str, str], path: str = "/v1/things") -> int:
    async with edge.client.get(edge.http + path, headers=headers) as answer:
        if answer.status == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert (await answer.json())["error"]["code"] == "unauthenticated"
        return answer.status


async def message(edge: Edge, headers: dict[str, str]) -> str:
    async with edge.client.get(f"{edge.http}/v1/things", headers=headers) as answer:
        return str((await answer.json())["error"]["message"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer dck_short"},
        {"Authorization": f"Bearer dck_{'a' * 41}"},
        {"Authorization": f"Bearer dck_{'a' * 39}!"},
        {"Authorization": f"Basic {'a' * 44}"},
        {"Authorization": f"dck_{'a' * 40}"},
        {"Authorization": "Bearer one.two"},
        {"Authorization": "Bearer one.two.three"},
        {"Authorization": "Bearer ....."},
        {"Authorization": f"Bearer {_encoded([])}.{_encoded({})}.sig"},
        {"Authorization": f"Bearer {_encoded(None)}.{_encoded(None)}.sig"},
        {"Authorization": f"Bearer {token(algorithm='none', exp=soon())}"},
        {"Authorization": f"Bearer {token(algorithm='None', exp=soon())}"},
        {"Authorization": f"Bearer {token(algorithm='HS256', exp=soon())}"},
        {"Authorization": f"Bearer {token(algorithm=['RS256'], exp=soon())}"},
        {"Authorization": f"Bearer {token(signature='', exp=soon())}"},
        {"Authorization": f"Bearer {token(exp=int(time.time()) - 3600)}"},
        {"Authorization": f"Bearer {token(exp='tomorrow')}"},
        {"x-api-key": "sk-something-else"},
        {"x-api-key": token(exp=0)},
        {"Authorization": f"Basic {api_key()}", "x-api-key": api_key()},
        {"Cookie": f"dcoder_session={session()[:-1]}"},
        {"Cookie": f"dcoder_session={session()}x"},
        {"Cookie": f"dcoder_session={session('acme')}"},
        {"Cookie": f"my_dcoder_session={session()}"},
        {"Cookie": session()},
        {"Cookie": f"dcoder_session={session()}", "Authorization": "Basic YTpi"},
        {"Cookie": f"dcoder_session={session()}", "x-api-key": "sk-something-else"},
    ],
)
async def test_refused(edge: Edge, headers: dict[str, str]) -> None:
    calls = edge.functions.calls
    assert await status(edge, headers) == 401
    assert edge.functions.calls == calls


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {api_key()}"},
        {"Authorization": f"bearer {api_key()}"},
        {"x-api-key": api_key()},
        {"X-API-KEY": api_key()},
        {"x-api-key": token(exp=soon())},
        {"Authorization": "Bearer ", "x-api-key": api_key()},
        {"Authorization": f"Bearer {token(exp=soon())}"},
        {"Authorization": f"Bearer {token(algorithm='ES384', exp=soon(), tenant_id='t', roles=['user'])}"},
        {"Authorization": f"Bearer {token(exp=soon(), tenant_id={'not': 'text'}, roles='superadmin')}"},
        {"Authorization": f"Bearer {token(exp=soon(), roles=['superadmin'])}"},
        {"Cookie": f"dcoder_session={session()}"},
        {"Cookie": f"a=b; dcoder_session={session('-')}; c=d"},
        {"Cookie": f"__Host-dcoder_session={session()}"},
        {"Cookie": f"dcoder_session={session()}", "Authorization": f"Bearer {api_key()}"},
    ],
)
async def test_well_formed_passes_for_the_function_to_verify(edge: Edge, headers: dict[str, str]) -> None:
    assert await status(edge, headers) == 200


@pytest.mark.parametrize("path", ["/v1/open", "/v1/open?x=1"])
async def test_public_route_asks_for_nothing(edge: Edge, path: str) -> None:
    assert await status(edge, {}, path) == 200
    assert await status(edge, {"Authorization": "nonsense"}, path) == 200


async def test_public_by_path(edge: Edge) -> None:
    async with edge.client.post(f"{edge.http}/v1/auth/login") as answer:
        assert answer.status == 200


@pytest.mark.parametrize("name", ["Authorization", "x-api-key"])
async def test_two_credentials_in_one_request_are_refused(edge: Edge, name: str) -> None:
    """The edge would count the one and the function would honour the other."""
    prefix = "Bearer " if name == "Authorization" else ""
    headers = CIMultiDict([(name, prefix + api_key()), (name, prefix + api_key())])
    async with edge.client.get(f"{edge.http}/v1/things", headers=headers) as answer:
        assert answer.status in {400, 401}


async def test_refusal_says_why(edge: Edge) -> None:
    assert "A credential is needed" in await message(edge, {})
    assert "expired" in await message(edge, {"Authorization": f"Bearer {token(exp=1)}"})


async def test_suspended_tenant_is_refused_and_comes_back(edge: Edge) -> None:
    key = api_key()
    suspended = tenant(status="suspended", key=key)
    headers = {"x-api-key": key}
    assert await status(edge, headers) == 200
    await edge.tenants.put(suspended)

    async def answered(expected: int) -> bool:
        return await status(edge, headers) == expected

    await eventually(lambda: answered(403))
    async with edge.client.get(f"{edge.http}/v1/things", headers=headers) as answer:
        assert (await answer.json())["error"]["code"] == "tenant_suspended"
    claimed = {"Authorization": f"Bearer {token(exp=soon(), tenant_id=suspended.id)}"}
    assert await status(edge, claimed) == 403
    assert await status(edge, {"Cookie": f"dcoder_session={session(suspended.id)}"}) == 403
    await edge.tenants.put(type(suspended)(suspended.id, suspended.slug, "standard", "active", suspended.key_hashes))
    await eventually(lambda: answered(200))


async def test_revoked_key_is_refused_and_its_sister_is_not(edge: Edge) -> None:
    revoked, kept = api_key(), api_key()
    await edge.tenants.put(tenant(key=kept, revoked=revoked))

    async def refused() -> bool:
        return await status(edge, {"x-api-key": revoked}) == 401

    await eventually(refused)
    assert "revoked" in await message(edge, {"x-api-key": revoked})
    assert await status(edge, {"x-api-key": kept}) == 200
    assert await status(edge, {"Authorization": f"Bearer {kept}", "x-api-key": revoked}) == 200


async def test_connections_outlive_a_change_of_tenants(edge: Edge) -> None:
    """A reload would close idle connections, and a POST on its way over one of them would fail."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)

    async def ask() -> None:
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(27)

    await ask()
    key = api_key()
    await edge.tenants.put(tenant(status="suspended", key=key))

    async def refused() -> bool:
        return await status(edge, {"x-api-key": key}) == 403

    await eventually(refused)
    await ask()
    writer.close()
    await writer.wait_closed()
