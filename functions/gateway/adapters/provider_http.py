"""What every provider's wire shares: the request, its timeouts, retries, circuit breaker and error mapping."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pydantic_core

from functions.gateway.adapters.circuit_breaker import CircuitBreakers
from functions.gateway.adapters.provider_errors import asked_wait, details_of, refusal, reporting
from functions.gateway.adapters.retries import Failure, RetryPolicy
from functions.gateway.adapters.sse_reader import read_events
from functions.gateway.core.errors import MidAnswer, ProviderBadResponse
from functions.gateway.core.models import Json, Target
from functions.kit.egress import EgressPolicy
from functions.kit.errors import DcoderError

_LARGEST_ANSWER = 64 * 1024 * 1024
_LARGEST_ERROR = 64 * 1024
_MOST_BEGUN = 4 * 1024 * 1024
_LONGEST_FAREWELL = 0.1


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """A POST to a provider. Its headers carry the key and never show in a repr."""

    target: Target
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, target: Target, url: str, headers: Mapping[str, str], body: Json) -> "ProviderRequest":
        """A request with a JSON body."""
        return cls(target, url, {**headers, "content-type": "application/json"}, orjson.dumps(body))


class ProviderHttp:
    """Calls providers over a pooled HTTP session.

    Args:
        connect_seconds: longest wait for a connection.
        first_byte_seconds: longest wait for the provider's first byte and between two of a stream.
        total_seconds: longest whole call, its retries included.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        egress: EgressPolicy,
        *,
        connect_seconds: float = 5.0,
        first_byte_seconds: float = 120.0,
        total_seconds: float = 600.0,
        retries: RetryPolicy | None = None,
        breakers: CircuitBreakers | None = None,
    ) -> None:
        self._session = session
        self._egress = egress
        self._total_seconds = total_seconds
        self._connect_seconds = connect_seconds
        self._first_byte_seconds = first_byte_seconds
        self._limits = self._within(total_seconds)
        self._retries = retries or RetryPolicy()
        self._breakers = breakers or CircuitBreakers()

    async def post(self, request: ProviderRequest) -> Json:
        """The JSON object that answers a request.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        response = await self._accepted(request)
        came = bytearray()
        try:
            with reporting(request.target):
                async with response:
                    await _read(response, _LARGEST_ANSWER, came)
        except DcoderError as error:
            if isinstance(error, MidAnswer):
                error.begun = _as_far_as_it_goes(came)
            raise
        return json_object(request.target, bytes(came))

    @asynccontextmanager
    async def stream(self, request: ProviderRequest) -> AsyncIterator[AsyncIterator[bytes]]:
        """The data of each server-sent event of the answer, open once the provider has accepted the request.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        async with await self._accepted(request) as response:
            if response.content_type != "text/event-stream":
                raise ProviderBadResponse(
                    "the provider did not answer with a stream", details=details_of(request.target)
                )
            yield _events(request.target, response)
            await _let_end(response)

    async def _accepted(self, request: ProviderRequest) -> aiohttp.ClientResponse:
        """The response that began with 200; whoever gets it must close it."""
        self._egress.check_url(request.url.partition("?")[0], request.target.provider.kind)
        with self._breakers.guarding(request.target) as probing:
            return await self._send(request, RetryPolicy(most=0) if probing else self._retries)

    def _within(self, seconds: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=seconds, sock_connect=self._connect_seconds, sock_read=self._first_byte_seconds
        )

    async def _send(self, request: ProviderRequest, retries: RetryPolicy) -> aiohttp.ClientResponse:
        ends = time.monotonic() + self._total_seconds
        tried = 0
        limits = self._limits
        while True:
            outcome = await self._try(request, limits)
            if isinstance(outcome, aiohttp.ClientResponse):
                return outcome
            tried += 1
            pause = retries.pause(outcome, tried, ends - time.monotonic())
            if pause is None:
                raise outcome.error
            await asyncio.sleep(pause)
            limits = self._within(ends - time.monotonic())

    async def _try(self, request: ProviderRequest, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse | Failure:
        try:
            with reporting(request.target):
                response = await self._session.post(
                    request.url,
                    data=request.body,
                    headers=request.headers,
                    timeout=limits,
                    # A redirect could carry the key to a host that nobody allowed.
                    allow_redirects=False,
                )
                if response.status == 200:
                    return response
                async with response:
                    body = bytearray()
                    await _read(response, _LARGEST_ERROR, body, cut=True)
        except DcoderError as error:
            return Failure(error, repeatable=_lost(error.__cause__))
        return Failure(
            refusal(request.target, response.status, response.headers, bytes(body)),
            status=response.status,
            asked_wait=asked_wait(response.headers, bytes(body)),
            final=response.headers.get("x-should-retry") == "false",
        )


def json_object(target: Target, body: bytes) -> Json:
    """The JSON object in a body.

    Raises:
        ProviderBadResponse: there is none.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProviderBadResponse("the provider's answer is not JSON", details=details_of(target)) from error
    if not isinstance(answer, dict):
        raise ProviderBadResponse("the provider's answer is not an object", details=details_of(target))
    return answer


def _lost(cause: BaseException | None) -> bool:
    """Whether the connection was refused, or lost before any byte of an answer."""
    never = (TimeoutError, aiohttp.ClientSSLError)
    return isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, never)


async def _events(target: Target, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    with reporting(target):
        async for data in read_events(response.content.iter_any()):
            yield data


async def _let_end(response: aiohttp.ClientResponse) -> None:
    """Take in the body's last bytes behind the last event, without which the connection cannot be used again."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_LONGEST_FAREWELL):
            while await response.content.readany():
                pass


async def _read(response: aiohttp.ClientResponse, limit: int, into: bytearray, *, cut: bool = False) -> None:
    """Read the body up to a limit, beyond which it is cut off or refused."""
    async for part in response.content.iter_any():
        into += part
        if len(into) > limit:
            if cut:
                break
            raise ProviderBadResponse("the provider's answer is too large")


def _as_far_as_it_goes(body: bytearray) -> Any:
    """What the beginning of a JSON text says; an empty object where it says nothing."""
    try:
        return pydantic_core.from_json(bytes(body[:_MOST_BEGUN]), allow_partial="trailing-strings")
    except ValueError:
        return {}
