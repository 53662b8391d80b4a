"""Vertex AI: whose token, at which address."""

import asyncio
from typing import Any
from urllib.parse import parse_qs

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from functions.gateway.adapters.provider_http import ProviderHttp
from functions.gateway.adapters.vertex_credentials import VertexCredentials
from functions.gateway.adapters.vertex_wire import VertexWire, location_url
from functions.gateway.core.errors import (
    ModelNotFound,
    ProviderAuthenticationFailed,
    ProviderBadResponse,
    ProviderRejected,
)
from functions.gateway.core.models import Target
from functions.kit.egress import EgressDenied, EgressPolicy
from tests.unit.gateway.wires.provider import LocalProvider, Reply, target
from tests.unit.gateway.wires.told import of_chunks, of_completion

Json = dict[str, Any]

QUESTION: Json = {"messages": [{"role": "user", "content": "?"}]}
ANSWER: Json = {
    "candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
    "createTime": "2026-02-17T11:12:40.135001Z",
    "responseId": "r",
    "modelVersion": "gemini-x",
}
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def account(provider: LocalProvider, **changes: Any) -> str:
    whole = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "k1",
        "private_key": PEM,
        "client_email": "robot@my-project.iam.gserviceaccount.com",
        "token_uri": f"{provider.url}/token",
    }
    return orjson.dumps({**whole, **changes}).decode()


def serve(provider: LocalProvider, token: Reply | None = None, answer: Reply | None = None) -> None:
    """Tokens `t1`, `t2` … at /token, and an answer everywhere else."""
    count = 0

    def reply(path: str) -> Reply:
        nonlocal count
        if path != "/token":
            return answer or Reply.json(ANSWER)
        count += 1
        return token or Reply.json({"access_token": f"t{count}", "expires_in": 3600, "token_type": "Bearer"})

    provider.by_path = reply


def wire(provider: LocalProvider, http: ProviderHttp, clock: Clock | None = None) -> VertexWire:
    return VertexWire(http, VertexCredentials(http, EgressPolicy([provider.host]), clock=clock or Clock()))


def at(provider: LocalProvider, key: str, model: str = "gemini-x") -> Target:
    return target(f"{provider.url}/v1", "vertex", model, key)


def bearers(provider: LocalProvider) -> list[str]:
    return [asked.headers["authorization"] for asked in provider.asked if asked.path != "/token"]


async def test_a_service_account_asks_for_a_token_once(provider: LocalProvider, http: ProviderHttp) -> None:
    serve(provider)
    clock = Clock()
    vertex, to = wire(provider, http, clock), at(provider, account(provider))
    told = of_completion(await vertex.complete(to, QUESTION))
    assert told.text == "hi"
    grant = provider.asked[0]
    assert grant.headers["content-type"] == "application/x-www-form-urlencoded"
    form = parse_qs(grant.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assertion = form["assertion"][0]
    assert jwt.get_unverified_header(assertion)["kid"] == "k1"
    claims = jwt.decode(
        assertion,
        KEY.public_key(),
        algorithms=["RS256"],
        audience=f"{provider.url}/token",
        options={"verify_iat": False, "verify_exp": False},
    )
    assert claims["iss"] == "robot@my-project.iam.gserviceaccount.com"
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert (claims["iat"], claims["exp"]) == (clock.now, clock.now + 3600)

    await asyncio.gather(*(vertex.complete(to, QUESTION) for _ in range(5)))
    assert bearers(provider) == ["Bearer t1"] * 6
    clock.now += 3539
    await vertex.complete(to, QUESTION)
    clock.now += 1
    await vertex.complete(to, QUESTION)
    assert bearers(provider)[-2:] == ["Bearer t1", "Bearer t2"]


async def test_many_at_once_ask_for_one_token(provider: LocalProvider, http: ProviderHttp) -> None:
    serve(provider)
    vertex, to = wire(provider, http), at(provider, account(provider))
    await asyncio.gather(*(vertex.complete(to, QUESTION) for _ in range(8)))
    assert [asked.path for asked in provider.asked].count("/token") == 1


async def test_a_token_that_is_not_accepted_is_not_kept(provider: LocalProvider, http: ProviderHttp) -> None:
    vertex, to = wire(provider, http), at(provider, account(provider))
    serve(provider, answer=Reply.json({"error": {"code": 401, "message": "expired"}}, 401))
    with pytest.raises(ProviderAuthenticationFailed):
        async with vertex.stream(to, QUESTION):
            pass
    with pytest.raises(ProviderAuthenticationFailed):
        await vertex.complete(to, QUESTION)
    assert [asked.path for asked in provider.asked].count("/token") == 2


async def test_a_bare_token_is_used_as_it_is(provider: LocalProvider, http: ProviderHttp) -> None:
    serve(provider)
    to = target(f"{provider.url}/v1/projects/p/locations/europe-west4", "vertex", "google/gemini-x", "ya29.abc\n")
    await wire(provider, http).complete(to, QUESTION)
    assert bearers(provider) == ["Bearer ya29.abc"]
    path = "/v1/projects/p/locations/europe-west4/publishers/google/models/gemini-x:generateContent"
    assert provider.asked[0].path == path


async def test_streams(provider: LocalProvider, http: ProviderHttp) -> None:
    serve(provider, answer=Reply.events(ANSWER))
    async with wire(provider, http).stream(at(provider, account(provider)), QUESTION) as chunks:
        read = [chunk async for chunk in chunks]
    assert of_chunks(read).text == "hi"
    assert read[0]["created"] == 1771326760
    assert provider.asked[-1].query == "alt=sse"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://aiplatform.googleapis.com/v1", "/v1/projects/my-project/locations/global"),
        ("https://europe-west4-aiplatform.googleapis.com/v1/", "/v1/projects/my-project/locations/europe-west4"),
        (
            "https://us-east1-aiplatform.googleapis.com/v1/projects/other/locations/us-east1",
            "/v1/projects/other/locations/us-east1",
        ),
    ],
)
def test_where_a_project_is(provider: LocalProvider, base: str, expected: str) -> None:
    url = location_url(target(base, "vertex", key=account(provider)))
    assert url == base.partition("/v1")[0] + expected


def test_a_project_must_be_known() -> None:
    with pytest.raises(ProviderRejected, match="baseUrl"):
        location_url(target("https://aiplatform.googleapis.com/v1", "vertex", key="ya29.abc"))


@pytest.mark.parametrize("model", ["../x", "publishers/anthropic/models/claude", "a/b"])
async def test_only_googles_models(provider: LocalProvider, http: ProviderHttp, model: str) -> None:
    serve(provider)
    with pytest.raises(ModelNotFound):
        await wire(provider, http).complete(at(provider, account(provider), model), QUESTION)


@pytest.mark.parametrize(
    "token_uri",
    [
        "https://evil.example/token",
        "http://169.254.169.254/token",
        "http://oauth2.googleapis.com/token",
        "https://aiplatform.googleapis.com/token",
    ],
)
async def test_the_assertion_goes_to_google_alone(provider: LocalProvider, http: ProviderHttp, token_uri: str) -> None:
    serve(provider)
    to = at(provider, account(provider, token_uri=token_uri))
    with pytest.raises(EgressDenied):
        await wire(provider, http).complete(to, QUESTION)
    assert provider.asked == []


@pytest.mark.parametrize(
    "key", ["{not json", '{"type": "service_account"}', '{"client_email": "a", "private_key": "nonsense"}']
)
async def test_a_key_that_cannot_be_read(provider: LocalProvider, http: ProviderHttp, key: str) -> None:
    to = target(f"{provider.url}/v1/projects/p/locations/l", "vertex", "gemini-x", key)
    with pytest.raises((ProviderAuthenticationFailed, EgressDenied)):
        await wire(provider, http).complete(to, QUESTION)


async def test_a_private_key_that_cannot_be_read(provider: LocalProvider, http: ProviderHttp) -> None:
    with pytest.raises(ProviderAuthenticationFailed, match="private key"):
        await wire(provider, http).complete(at(provider, account(provider, private_key="nonsense")), QUESTION)


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        (Reply.json({"error": "invalid_grant", "error_description": "x"}, 400), ProviderAuthenticationFailed),
        (Reply.json({"error": {"message": "x"}}, 401), ProviderAuthenticationFailed),
        (Reply.json({"access_token": "t"}), ProviderBadResponse),
        (Reply.json({"expires_in": 3600}), ProviderBadResponse),
    ],
)
async def test_no_token(provider: LocalProvider, http: ProviderHttp, token: Reply, kind: type[Exception]) -> None:
    serve(provider, token=token)
    with pytest.raises(kind):
        await wire(provider, http).complete(at(provider, account(provider)), QUESTION)
    assert bearers(provider) == []


async def test_embeddings(provider: LocalProvider, http: ProviderHttp) -> None:
    predicted = {"values": [0.5], "statistics": {"token_count": 3, "truncated": False}}
    serve(provider, answer=Reply.json({"predictions": [{"embeddings": predicted}, {"embeddings": predicted}]}))
    vertex = wire(provider, http)
    body: Json = {"input": ["a", "b"], "dimensions": 1, "task_type": "RETRIEVAL_DOCUMENT"}
    embedded = await vertex.embed(at(provider, account(provider), "text-embedding-005"), body)
    assert provider.asked[-1].path.endswith("/text-embedding-005:predict")
    assert provider.asked[-1].json == {
        "instances": [
            {"content": "a", "task_type": "RETRIEVAL_DOCUMENT"},
            {"content": "b", "task_type": "RETRIEVAL_DOCUMENT"},
        ],
        "parameters": {"outputDimensionality": 1},
    }
    assert embedded["usage"] == {"prompt_tokens": 6, "total_tokens": 6}

    serve(provider, answer=Reply.json({"embedding": {"values": [1.5]}}))
    embedded = await vertex.embed(at(provider, account(provider), "gemini-embedding-2"), {"input": "a"})
    assert provider.asked[-1].path.endswith("/gemini-embedding-2:embedContent")
    assert embedded["data"][0]["embedding"] == [1.5]
    assert "usage" not in embedded
    with pytest.raises(ProviderRejected, match="one text"):
        await vertex.embed(at(provider, account(provider), "gemini-embedding-2"), {"input": ["a", "b"]})
