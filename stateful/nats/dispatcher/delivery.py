"""One HTTP delivery of one event to one function, and what its answer means."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp

from functions.kit.catalogue import Function
from functions.kit.clock import utc_now
from functions.kit.events import CONTENT_TYPE, Event
from stateful.nats.dispatcher.outcomes import Failed, Handled, Outcome, Refused, Unavailable, Unreachable

_CONNECT_SECONDS = 3.0
# Below the time after which servers close an idle connection (uvicorn: 5 s), so that none is closed under a POST.
_IDLE_SECONDS = 4.0
_BODY_BYTES = 2048
_TRY_AGAIN = {408, 425, 429}
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


class Delivery:
    """POSTs events to functions.

    Args:
        url: where functions are, with `{name}` in it.
        urls: the same for host groups that are elsewhere.
    """

    def __init__(self, url: str, urls: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._urls = urls or {}
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def deliver(self, function: Function, event: Event, body: bytes) -> Outcome:
        """POST a structured CloudEvent.

        Args:
            body: the event as it was published; passed on byte for byte.
        """
        try:
            async with self._http.post(
                self._urls.get(function.host, self._url).format(name=function.name),
                data=body,
                headers=_headers(event),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=function.timeout_seconds, sock_connect=_CONNECT_SECONDS),
            ) as response:
                return _outcome(response, _UNPRINTABLE.sub(" ", (await _beginning(response)).decode(errors="replace")))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Unreachable(f"no connection: {type(error).__name__}")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return Failed(0, f"no answer: {type(error).__name__}")


def _headers(event: Event) -> dict[str, str]:
    headers = {"Content-Type": CONTENT_TYPE, "X-Request-Id": event.request_id, "traceparent": event.traceparent}
    return {name: value for name, value in headers.items() if value and not _UNPRINTABLE.search(value)}


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    if response.status < 300:
        return await response.read()
    return await response.content.read(_BODY_BYTES)


def _outcome(response: aiohttp.ClientResponse, text: str) -> Outcome:
    status = response.status
    if 200 <= status < 300:
        return Handled()
    if status == 404 and "X-Request-Id" not in response.headers:
        # Every function names the request in its answer. A 404 without it came from a router that has no such function.
        return Unreachable("not deployed: 404 from a router")
    reason = f"HTTP {status} {text[:300]}".rstrip()
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return Refused(status, reason)
    asked = retry_after(response.headers.get("Retry-After"))
    return Unavailable(reason, asked) if status == 503 else Failed(status, reason, asked)


def retry_after(value: str | None) -> float | None:
    """Seconds from a `Retry-After` header (RFC 9110, 10.2.3): a number of seconds or a date."""
    if value is None:
        return None
    if re.fullmatch(r"\d+", value.strip(), re.ASCII):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - utc_now()).total_seconds())
