"""The only way to an MCP server: public addresses, nothing followed, nothing unlimited."""

from collections.abc import AsyncIterator

import aiohttp
import httpx2
import yarl
from multidict import CIMultiDict

from functions.kit.egress import EgressDenied, EgressPolicy

_CONNECT_SECONDS = 5.0
_UNSENT = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}
_UNTOLD = {"content-length", "transfer-encoding", "connection"}


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Carries the SDK's requests over a session whose connector gives only addresses that may be called.

    Args:
        origin: scheme, host and port of the server; no other is sent a bearer token.
        most_bytes: that may be answered in all.

    Attributes:
        trouble: what went wrong first, for the model and the admin: the SDK says less of it.
    """

    def __init__(
        self, session: aiohttp.ClientSession, policy: EgressPolicy, *, origin: yarl.URL, most_bytes: int
    ) -> None:
        self._session = session
        self._policy = policy
        self._origin = origin
        self.left = most_bytes
        self._most_bytes = most_bytes
        self.trouble: tuple[str, str] | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one."""
        address = yarl.URL(str(request.url), encoded=True)
        headers = CIMultiDict((n, v) for n, v in request.headers.multi_items() if n.lower() not in _UNSENT)
        # A few bytes of something compressed can be a gigabyte.
        headers["accept-encoding"] = "identity"
        try:
            self._policy.check_https(str(address))
            if address.origin() != self._origin and headers.get("authorization", "").lower().startswith("bearer"):
                raise EgressDenied("a token goes to its own server alone")
            response = await self._session.request(
                request.method,
                address,
                data=await request.aread(),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS),
            )
        except EgressDenied as error:
            raise self.broken("egress_denied", error.message) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self.broken("tool_unreachable", f"it cannot be reached: {type(error).__name__}") from error
        why = _refused(response)
        if why:
            response.close()
            raise self.broken("tool_failed", why)
        if response.status >= 400 and response.status not in {401, 404, 405}:
            self.note("tool_failed", f"it answered {response.status}")
        told = [(name, value) for name, value in response.headers.items() if name.lower() not in _UNTOLD]
        return httpx2.Response(response.status, headers=told, stream=_Body(response, self))

    def broken(self, code: str, message: str) -> httpx2.TransportError:
        """The error that ends the session, its reason noted."""
        self.note(code, message)
        return httpx2.TransportError(message)

    def note(self, code: str, message: str) -> None:
        """Keep a reason, unless there is one."""
        self.trouble = self.trouble or (code, message)

    def take(self, size: int) -> None:
        """Count bytes that were answered.

        Raises:
            TransportError: they are more than may be.
        """
        self.left -= size
        if self.left < 0:
            raise self.broken("answer_too_large", f"it answered more than {self._most_bytes} bytes")


class _Body(httpx2.AsyncByteStream):
    """What is answered, as it comes and as far as it may."""

    def __init__(self, response: aiohttp.ClientResponse, transport: GuardedTransport) -> None:
        self._response = response
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces."""
        try:
            async for piece in self._response.content.iter_any():
                self._transport.take(len(piece))
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            message = f"it broke off: {type(error).__name__}"
            raise self._transport.broken("tool_unreachable", message) from error

    async def aclose(self) -> None:
        """Let the connection go, read to its end or not."""
        self._response.close()


def _refused(response: aiohttp.ClientResponse) -> str:
    # A redirect could carry the credential, or the arguments, to where nobody allowed.
    if 300 <= response.status < 400:
        return f"it answered {response.status}: redirects are not followed"
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return "it answered compressed, which was not asked for"
    return ""
