"""Sign-ins under way, in Redis for ten minutes."""

import hashlib
from dataclasses import asdict

import orjson
import redis.asyncio

from functions.platform.core.sign_in_ports import PendingSignIn

PENDING_SECONDS = 600


class RedisPendingSignIns:
    """Port `PendingSignIns`. Neither the state nor the browser's secret can be read from Redis."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._redis = client

    async def keep(self, browser: str, state: str, pending: PendingSignIn) -> None:
        """Remember one for a few minutes."""
        await self._redis.set(_key(browser, state), orjson.dumps(asdict(pending)), ex=PENDING_SECONDS)

    async def find(self, browser: str, state: str) -> PendingSignIn | None:
        """The one of this state that this browser began."""
        stored = await self._redis.get(_key(browser, state))
        return PendingSignIn(**orjson.loads(stored)) if stored else None

    async def forget(self, browser: str, state: str) -> None:
        """It is done."""
        await self._redis.delete(_key(browser, state))


def _key(browser: str, state: str) -> str:
    return f"session:pending:{hashlib.sha256(f'{browser} {state}'.encode()).hexdigest()}"
