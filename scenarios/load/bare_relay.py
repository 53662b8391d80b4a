"""The least that a gateway in Python does: `python -m scenarios.load.bare_relay PORT PROVIDER`.

One plain ASGI function on the same server, event loop, client of providers and connection to Redis as ours: it reads
the request, asks Redis before and behind the provider, as keeping a budget takes, asks the provider and hands its
answer over. It knows no tenant, looks at no body, counts nothing and tells nobody: what is between it and ours is what
our features cost.
"""

import asyncio
import os
import sys
from typing import Any

import uvicorn
from aiohttp.resolver import ThreadedResolver

from functions.gateway.adapters.http_client import HttpClient
from functions.gateway.adapters.redis_link import RedisLink
from functions.kit.http_server import HttpProtocol

_SECONDS = 30.0
_HEADERS = {"authorization": "Bearer sk-bench", "content-type": "application/json"}


class Relay:
    """The ASGI app.

    Args:
        provider: address of the provider's API.
        redis_url: `redis://HOST:PORT`.
    """

    def __init__(self, provider: str, redis_url: str) -> None:
        self._provider = provider
        self._redis = RedisLink(redis_url)
        self._client: HttpClient | None = None

    async def __call__(self, _: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if self._client is None:
            self._client = HttpClient(ThreadedResolver(), connect_seconds=_SECONDS, silence_seconds=_SECONDS)
        await self._redis.execute("INCR", "bare:held")
        until = asyncio.get_running_loop().time() + _SECONDS
        async with await self._client.post(self._provider, _HEADERS, body, until=until) as answer:
            content = b"".join([piece async for piece in answer.pieces()])
        await self._redis.execute("DECR", "bare:held")
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def main() -> None:
    """Serve until told to end."""
    app = Relay(sys.argv[2], os.environ["DCODER_REDIS_URL"])
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http=HttpProtocol, lifespan="off",
        log_level="warning", access_log=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
