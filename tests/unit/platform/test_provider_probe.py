"""How providers are asked for their models, and what becomes of what they say."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import jwt
import orjson
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from functions.kit.egress import EgressPolicy
from functions.platform.adapters.provider_probe import HttpProber
from functions.platform.core.models import ProviderKind
from functions.platform.core.probe_provider import ProviderAccess, Trouble

KEY = "sk-never-shown"
Answer = Callable[[web.Request], web.StreamResponse]


class Stub:
    """A provider's server that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.forms: list[dict[str, Any]] = []
        self.answer: Answer = lambda _: web.json_response({})
        self.port = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.forms.append(dict(await request.post()))
        if request.path == "/token":
            return web.json_response({"access_token": "ya29.token", "expires_in": 3600})
        return self.answer(request)


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    stub, application = Stub(), web.Application()
    application.router.add_route("*", "/{path:.*}", stub.serve)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.port = runner.addresses[0][1]
    yield stub
    await runner.cleanup()


async def probe(stub: Stub, kind: ProviderKind, path: str = "/v1", key: str = KEY) -> Trouble | None:
    async with aiohttp.ClientSession() as session:
        prober = HttpProber(session, EgressPolicy([f"127.0.0.1:{stub.port}"]))
        return await prober.list_models(ProviderAccess(kind, stub.base + path, key))


@pytest.mark.parametrize(
    ("kind", "path", "header", "value"),
    [
        ("openai", "/v1/models", "authorization", f"Bearer {KEY}"),
        ("groq", "/v1/models", "authorization", f"Bearer {KEY}"),
        ("anthropic", "/v1/models?limit=1", "x-api-key", KEY),
        ("google", "/v1/models?pageSize=1", "x-goog-api-key", KEY),
    ],
)
async def test_a_kind_is_asked_in_its_own_way(
    stub: Stub, kind: ProviderKind, path: str, header: str, value: str
) -> None:
    assert await probe(stub, kind) is None
    (asked,) = stub.asked
    assert (asked.method, str(asked.rel_url), asked.headers[header]) == ("GET", path, value)
    assert KEY not in str(asked.rel_url)


async def test_a_service_account_buys_a_token_first(stub: Stub) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"client_email": "a@b.c", "private_key": pem, "project_id": "p 1", "token_uri": f"{stub.base}/token"}
    assert await probe(stub, "vertex", key=orjson.dumps(account).decode()) is None
    token, models = stub.asked
    claims = jwt.decode(
        stub.forms[0]["assertion"], private.public_key(), algorithms=["RS256"], audience=f"{stub.base}/token"
    )
    assert (token.path, claims["iss"]) == ("/token", "a@b.c")
    assert models.headers["authorization"] == "Bearer ya29.token"
    assert models.raw_path == "/v1/projects/p%201/locations/global/models?pageSize=1"


async def test_an_assertion_goes_to_google_or_where_the_operator_allows(stub: Stub) -> None:
    account = {"client_email": "a", "private_key": "b", "project_id": "p", "token_uri": "https://evil.example/token"}
    trouble = await probe(stub, "vertex", key=orjson.dumps(account).decode())
    assert trouble is not None
    assert trouble.code == "egress_denied"
    assert stub.asked == []


async def test_a_bare_token_needs_the_project_in_the_address(stub: Stub) -> None:
    assert await probe(stub, "vertex", "/v1/projects/p/locations/l") is None
    assert stub.asked[0].path == "/v1/projects/p/locations/l/models"
    trouble = await probe(stub, "vertex")
    assert trouble is not None
    assert trouble.code == "project_unknown"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("openai", 401, "authentication_failed"),
        ("openai", 403, "authentication_failed"),
        ("google", 400, "authentication_failed"),
        ("openai", 400, "rejected"),
        ("openai", 302, "rejected"),
        ("openai", 404, "not_found"),
        ("openai", 429, "rate_limited"),
        ("openai", 500, "provider_error"),
        ("openai", 529, "provider_error"),
    ],
)
async def test_a_refusal_is_told_in_our_words(stub: Stub, kind: ProviderKind, status: int, code: str) -> None:
    headers = {"location": "http://127.0.0.1:1/"} if status == 302 else {}
    stub.answer = lambda _: web.json_response({"error": f"bad key {KEY}"}, status=status, headers=headers)
    trouble = await probe(stub, kind)
    assert trouble is not None
    assert trouble.code == code
    assert KEY not in str(trouble)


async def test_a_page_is_no_list_of_models(stub: Stub) -> None:
    stub.answer = lambda _: web.Response(text="<html>", content_type="text/html")
    trouble = await probe(stub, "openai")
    assert trouble is not None
    assert trouble.code == "bad_answer"


async def test_where_the_platform_does_not_call_nothing_is_sent(stub: Stub) -> None:
    async with aiohttp.ClientSession() as session:
        trouble = await HttpProber(session, EgressPolicy()).list_models(ProviderAccess("openai", stub.base, KEY))
    assert trouble is not None
    assert trouble.code == "egress_denied"
    assert stub.asked == []


async def test_nobody_there(stub: Stub) -> None:
    async with aiohttp.ClientSession() as session:
        prober = HttpProber(session, EgressPolicy(["127.0.0.1:1"]))
        trouble = await prober.list_models(ProviderAccess("openai", "http://127.0.0.1:1/v1", KEY))
    assert trouble is not None
    assert trouble.code == "unreachable"
    assert KEY not in repr(ProviderAccess("openai", None, KEY))
