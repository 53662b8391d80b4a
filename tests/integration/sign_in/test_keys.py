"""The issuer's keys: rotated, made up, away; and algorithms that must not be believed."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from functions.kit.authentication import JwksCache, Tokens
from functions.kit.database import Databases
from functions.kit.errors import DependencyUnavailable, Unauthenticated
from functions.kit.members import MemberDirectory
from functions.kit.tenancy import TenantDirectory
from tests.integration.sign_in.issuer import AUDIENCE, Issuer, running_issuer

pytestmark = pytest.mark.integration


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def tokens(issuer: Issuer, http: aiohttp.ClientSession, *, unknown_seconds: float = 0) -> Tokens:
    nowhere = Databases("postgresql://nobody@127.0.0.1:1/none")
    return Tokens(
        JwksCache(http, f"{issuer.url}/jwks", unknown_seconds=unknown_seconds),
        TenantDirectory(nowhere, fresh=1, stale=1),
        MemberDirectory(nowhere, fresh=1, stale=1),
        issuer=issuer.url,
        audience=AUDIENCE,
        roles_claim="roles",
        tenant_claim="tenant_id",
    )


async def test_tokens_of_a_new_key_are_taken_at_once_and_those_of_the_old_go_on(
    issuer: Issuer, http: aiohttp.ClientSession
) -> None:
    verifier, before = tokens(issuer, http), issuer.sign()
    await verifier.claims(before)
    issuer.rotate_keys()
    assert (await verifier.claims(issuer.sign(jti="new")))["jti"] == "new"
    assert (await verifier.claims(before))["sub"] == "ada"
    # A key that is withdrawn signs nothing any more.
    withdrawn = issuer.sign(jti="late")
    issuer.rotate_keys(keep=False)
    await verifier.claims(issuer.sign(jti="newest"))
    with pytest.raises(Unauthenticated):
        await verifier.claims(withdrawn)


async def test_made_up_keys_do_not_make_us_ask_without_end(issuer: Issuer, http: aiohttp.ClientSession) -> None:
    verifier, stranger = tokens(issuer, http, unknown_seconds=3600), Issuer()
    for _ in range(50):
        stranger.rotate_keys(keep=False)
        with pytest.raises(Unauthenticated):
            await verifier.claims(stranger.sign(iss=issuer.url))
    assert issuer.asked_for_keys == 2


async def test_a_key_that_may_be_new_is_no_wrong_key_while_the_issuer_is_away(
    issuer: Issuer, http: aiohttp.ClientSession
) -> None:
    verifier = tokens(issuer, http)
    known = issuer.sign()
    await verifier.claims(known)
    issuer.rotate_keys()
    new = issuer.sign(jti="new")
    await issuer.stop()
    with pytest.raises(DependencyUnavailable):
        await verifier.claims(new)
    assert (await verifier.claims(known))["sub"] == "ada"
    await issuer.start()
    assert (await verifier.claims(new))["jti"] == "new"


async def test_confused_algorithms_are_refused(issuer: Issuer, http: aiohttp.ClientSession) -> None:
    name, key = next(iter(issuer.keys.items()))
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    published = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True)
    secret = base64.urlsafe_b64encode(b"a" * 32).rstrip(b"=").decode()
    issuer.extra_keys = [
        {**published, "kid": "rsa", "alg": "RS256"},
        {"kty": "oct", "k": secret, "kid": "shared", "alg": "HS256"},
    ]
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "eve", "exp": int(time.time()) + 600}
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing, verifier = _hmac(claims), tokens(issuer, http)
    forged = [
        # A public key taken for a shared secret; a shared secret that somebody published; no signature; another's.
        signing(public, "HS256", name),
        signing(public, "ES256", name),
        signing(public, "HS256", "rsa"),
        signing(b"a" * 32, "HS256", "shared"),
        signing(b"a" * 32, "RS256", "shared"),
        f"{_part({'alg': 'none', 'kid': name})}.{_part(claims)}.",
        jwt.encode(claims, rsa_key, "RS256", headers={"kid": name}),
        jwt.encode(claims, key, "ES256", headers={"kid": "rsa"}),
        jwt.encode(claims, key, "ES256"),
    ]
    for token in forged:
        with pytest.raises(Unauthenticated):
            await verifier.claims(token)
    assert await verifier.claims(jwt.encode(claims, rsa_key, "RS256", headers={"kid": "rsa"}))


@pytest.mark.parametrize(
    "claims", [{"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1}, {"sub": None}, {"nbf": 99999999999}]
)
async def test_a_token_for_others_or_another_time_is_refused(
    issuer: Issuer, http: aiohttp.ClientSession, claims: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated):
        await tokens(issuer, http).claims(issuer.sign(**claims))


def _part(document: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def _hmac(claims: dict[str, object]) -> Callable[[bytes, str, str], str]:
    def sign(secret: bytes, algorithm: str, kid: str) -> str:
        signed = f"{_part({'alg': algorithm, 'typ': 'JWT', 'kid': kid})}.{_part(claims)}"
        digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    return sign
