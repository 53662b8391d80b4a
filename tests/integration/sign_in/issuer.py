"""A stand-in for an identity provider that rotates keys and refresh tokens, refuses, and goes away, as told."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

AUDIENCE = "https://api.dcoder.local"


class Issuer:
    """One provider; what it knows outlives `stop`."""

    def __init__(self) -> None:
        self.port = 0
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.extra_keys: list[dict[str, Any]] = []
        self.tokens: dict[str, dict[str, Any]] = {}
        self.used: set[str] = set()
        self.refusal = ""
        self.asked_for_keys = 0
        self.asked_to_refresh = 0
        self._runner: web.AppRunner | None = None
        self.rotate_keys()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rotate_keys(self, *, keep: bool = True) -> None:
        """Sign with a new key from now on."""
        before = self.keys if keep else {}
        self.keys = {secrets.token_hex(4): ec.generate_private_key(ec.SECP256R1()), **before}

    def sign(self, *, seconds: float = 600, **claims: Any) -> str:
        name = next(iter(self.keys))
        said = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time() + seconds), **claims}
        return jwt.encode(said, self.keys[name], "ES256", headers={"kid": name})

    def grant(self, **claims: Any) -> str:
        """A refresh token for somebody with these claims."""
        token = secrets.token_urlsafe(16)
        self.tokens[token] = claims
        return token

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/jwks", self._jwks)
        app.router.add_post("/token", self._token)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _discovery(self, _: web.Request) -> web.Response:
        names = {"authorization_endpoint": "/auth", "token_endpoint": "/token", "jwks_uri": "/jwks"}
        return web.json_response({"issuer": self.url, **{name: self.url + path for name, path in names.items()}})

    async def _jwks(self, _: web.Request) -> web.Response:
        self.asked_for_keys += 1
        published = [
            {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": name, "alg": "ES256"}
            for name, key in self.keys.items()
        ]
        return web.json_response({"keys": [*published, *self.extra_keys]})

    async def _token(self, request: web.Request) -> web.Response:
        self.asked_to_refresh += 1
        form = await request.post()
        token = str(form["refresh_token"])
        if self.refusal:
            return web.json_response({"error": self.refusal}, status=400)
        if token in self.used or token not in self.tokens:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.used.add(token)
        claims = self.tokens[token]
        answer = {"access_token": self.sign(**claims), "refresh_token": self.grant(**claims), "token_type": "Bearer"}
        return web.json_response(answer)


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    await issuer.start()
    try:
        yield issuer
    finally:
        await issuer.stop()
