"""Reads public addresses, and nothing inside our network, whatever a name or a redirect says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urldefrag, urljoin

import aiohttp

from functions.kit.egress import EgressDenied, EgressPolicy
from functions.knowledge.core.reasons import CannotIngest, NotNow, Reason

_SECONDS = aiohttp.ClientTimeout(total=120, connect=10, sock_read=30)
_REDIRECTS = 5
_PIECE = 1 << 18
# Three quarters of an hour in all.
_WAITS = 8
_LATER = {408, 425, 429, 500, 502, 503, 504}


class HttpFetcher:
    """Port `Fetcher`.

    Args:
        http: a session whose connector resolves names by the policy's resolver.
    """

    def __init__(self, http: aiohttp.ClientSession, policy: EgressPolicy) -> None:
        self._http = http
        self._policy = policy

    def check(self, address: str) -> None:
        """Let an address through that may be read, as far as it tells by itself."""
        self._policy.check_public(address)

    async def fetch(self, address: str, most_bytes: int) -> AsyncIterator[bytes]:
        """What is there, in pieces."""
        async with self._opened(address) as response:
            size = 0
            async for piece in response.content.iter_chunked(_PIECE):
                size += len(piece)
                if size > most_bytes:
                    raise CannotIngest(Reason.TOO_LARGE, f"{address} has more than {most_bytes} bytes")
                yield piece

    @asynccontextmanager
    async def _opened(self, address: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of an address, each redirect checked like the address itself."""
        try:
            for _ in range(_REDIRECTS):
                self._policy.check_public(address)
                async with self._http.get(address, allow_redirects=False, timeout=_SECONDS) as response:
                    onward = response.headers.get("location") if 300 <= response.status < 400 else None
                    if onward is None:
                        _check(response, address)
                        yield response
                        return
                    address = urldefrag(urljoin(address, onward)).url
            raise CannotIngest(Reason.FETCH_FAILED, f"it redirects more than {_REDIRECTS} times")
        except EgressDenied as error:
            raise CannotIngest(Reason.FETCH_DENIED, error.message) from error
        except (TimeoutError, aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError) as error:
            raise NotNow(
                Reason.FETCH_FAILED, f"{address} does not answer: {type(error).__name__}", most_waits=_WAITS
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CannotIngest(Reason.FETCH_FAILED, f"{address} cannot be reached: {error}"[:300]) from error


def _check(response: aiohttp.ClientResponse, address: str) -> None:
    if response.status in _LATER:
        raise NotNow(Reason.FETCH_FAILED, f"{address} answers {response.status}", most_waits=_WAITS)
    if response.status != 200:
        raise CannotIngest(Reason.FETCH_FAILED, f"{address} answers {response.status}")
