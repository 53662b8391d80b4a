"""An issuer of tokens, and a caller with a credential."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx2 as httpx
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from functions.kit.clock import utc_now


class Issuer:
    """Signs tokens as an identity provider would."""

    url = "https://identity.test"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.jwks_url = ""

    def token(self, roles: list[str], tenant_id: str | None = None) -> str:
        now = int(utc_now().timestamp())
        claims = {
            "iss": self.url,
            "aud": "https://api.dcoder.local",
            "sub": "tester",
            "exp": now + 3600,
            "roles": roles,
        }
        return jwt.encode({**claims, "tenant_id": tenant_id}, self._key, "ES256", headers={"kid": "test"})

    async def publish(self, _: web.Request) -> web.Response:
        key = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return web.json_response({"keys": [{**key, "kid": "test", "use": "sig", "alg": "ES256"}]})


@asynccontextmanager
async def publishing_issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    application = web.Application()
    application.router.add_get("/jwks", issuer.publish)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.jwks_url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    yield issuer
    await runner.cleanup()


@dataclass(frozen=True)
class Caller:
    """A client of the HTTP functions with a credential."""

    client: httpx.AsyncClient
    credential: str

    async def __call__(
        self, method: str, path: str, body: object = None, *, query: dict[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["authorization"] = f"Bearer {self.credential}"
        if body is None:
            return await self.client.request(method, path, params=query, headers=sent)
        return await self.client.request(method, path, json=body, params=query, headers=sent)

    def with_credential(self, credential: str) -> "Caller":
        return replace(self, credential=credential)
