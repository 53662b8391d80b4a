"""What every provider's wire shares: the request, its time, retries, circuit breaker and error mapping."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import pydantic_core

from functions.gateway.adapters.circuit_breaker import CircuitBreakers
from functions.gateway.adapters.http_client import HttpClient
from functions.gateway.adapters.http_connection import BrokenOff, HttpAnswer, Unanswered
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


@dataclass(slots=True)
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
    """Calls providers.

    Args:
        total_seconds: longest whole call, its retries included.
    """

    def __init__(
        self,
        client: HttpClient,
        egress: EgressPolicy,
        *,
        total_seconds: float = 600.0,
        retries: RetryPolicy | None = None,
        breakers: CircuitBreakers | None = None,
    ) -> None:
        self._client = client
        self._egress = egress
        self._total_seconds = total_seconds
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
        return json_object(request.target, came)

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

    async def _accepted(self, request: ProviderRequest) -> HttpAnswer:
        """The answer that began with 200; whoever gets it must close it."""
        self._egress.check_url(request.url.partition("?")[0], request.target.provider.kind)
        with self._breakers.guarding(request.target) as probing:
            return await self._send(request, RetryPolicy(most=0) if probing else self._retries)

    async def _send(self, request: ProviderRequest, retries: RetryPolicy) -> HttpAnswer:
        ends = time.monotonic() + self._total_seconds
        tried = 0
        while True:
            outcome = await self._try(request, ends - time.monotonic())
            if isinstance(outcome, HttpAnswer):
                return outcome
            tried += 1
            pause = retries.pause(outcome, tried, ends - time.monotonic())
            if pause is None:
                raise outcome.error
            await asyncio.sleep(pause)

    async def _try(self, request: ProviderRequest, seconds: float) -> HttpAnswer | Failure:
        try:
            with reporting(request.target):
                answer = await self._client.post(request.url, request.headers, request.body, seconds=seconds)
                if answer.status == 200:
                    return answer
                async with answer:
                    body = bytearray()
                    await _read(answer, _LARGEST_ERROR, body, cut=True)
        except DcoderError as error:
            return Failure(error, repeatable=isinstance(error.__cause__, Unanswered))
        return Failure(
            refusal(request.target, answer.status, answer.headers, bytes(body)),
            status=answer.status,
            asked_wait=asked_wait(answer.headers, bytes(body)),
            final=answer.headers.get("x-should-retry") == "false",
        )


def json_object(target: Target, body: bytes | bytearray) -> Json:
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


async def _events(target: Target, answer: HttpAnswer) -> AsyncIterator[bytes]:
    left = _LARGEST_ANSWER
    with reporting(target):
        async for data in read_events(answer.pieces()):
            left -= len(data)
            if left < 0:
                # It stays in memory until all who listen have heard it, however slowly.
                raise ProviderBadResponse("the provider's stream is too large", details=details_of(target))
            yield data


async def _let_end(answer: HttpAnswer) -> None:
    """Take in the body's last bytes behind the last event, without which the connection cannot be used again."""
    with suppress(OSError, BrokenOff):
        async with asyncio.timeout(_LONGEST_FAREWELL):
            while await answer.piece():
                pass


async def _read(answer: HttpAnswer, limit: int, into: bytearray, *, cut: bool = False) -> None:
    """Read the body up to a limit, beyond which it is cut off or refused."""
    while part := await answer.piece():
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
