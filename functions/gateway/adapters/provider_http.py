"""What every provider's wire shares: the request, its time, retries, circuit breaker and error mapping."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import orjson
import pydantic_core

from functions.gateway.adapters.circuit_breaker import CircuitBreakers
from functions.gateway.adapters.http_answer import BrokenOff, HttpAnswer, Unanswered
from functions.gateway.adapters.http_client import HttpClient
from functions.gateway.adapters.provider_errors import FAILURES, asked_wait, details_of, refusal, reported
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
# For a call that finds out whether a provider is there again.
_NONE = RetryPolicy(most=0)


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
        answer = await self._accepted(request)
        came = bytearray()
        try:
            is_all = await _read(answer, _LARGEST_ANSWER, came)
        except FAILURES as error:
            raise _begun(reported(request.target, error), came) from error
        finally:
            answer.close()
        if not is_all:
            raise _begun(ProviderBadResponse("the provider's answer is too large"), came)
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
        target = request.target
        self._egress.check_url(request.url.partition("?")[0], target.provider.kind)
        retries = _NONE if self._breakers.enter(target) else self._retries
        loop = asyncio.get_running_loop()
        until = loop.time() + self._total_seconds
        tried = 0
        while True:
            try:
                answer = await self._client.post(request.url, request.headers, request.body, until=until)
                if answer.status == 200:
                    self._breakers.answered(target)
                    return answer
                body = bytearray()
                async with answer:
                    await _read(answer, _LARGEST_ERROR, body)
            except FAILURES as error:
                failure = Failure(reported(target, error), repeatable=isinstance(error, Unanswered))
            else:
                failure = _refused(target, answer, bytes(body))
            tried += 1
            pause = retries.pause(failure, tried, until - loop.time())
            if pause is None:
                self._breakers.failed(target, failure.error)
                raise failure.error
            await asyncio.sleep(pause)


def _refused(target: Target, answer: HttpAnswer, body: bytes) -> Failure:
    """What an answer says that did not begin with 200."""
    headers = answer.headers
    return Failure(
        refusal(target, answer.status, headers, body),
        status=answer.status,
        asked_wait=asked_wait(headers, body),
        final=headers.get("x-should-retry") == "false",
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
    try:
        async for data in read_events(answer.pieces()):
            left -= len(data)
            if left < 0:
                # It stays in memory until all who listen have heard it, however slowly.
                raise ProviderBadResponse("the provider's stream is too large", details=details_of(target))
            yield data
    except FAILURES as error:
        raise reported(target, error) from error


async def _let_end(answer: HttpAnswer) -> None:
    """Take in the body's last bytes behind the last event, without which the connection cannot be used again."""
    with suppress(OSError, BrokenOff):
        async with asyncio.timeout(_LONGEST_FAREWELL):
            while await answer.piece():
                pass


async def _read(answer: HttpAnswer, limit: int, into: bytearray) -> bool:
    """Read the body up to a limit, if not much beyond; whether that was all of it."""
    while (part := answer.at_hand()) != b"":
        if part is None:
            await answer.more()
            continue
        into += part
        if len(into) > limit:
            return False
    return True


def _begun(error: DcoderError, came: bytearray) -> DcoderError:
    """The error, with what the answer had said until then, as far as that goes."""
    if isinstance(error, MidAnswer):
        try:
            error.begun = pydantic_core.from_json(bytes(came[:_MOST_BEGUN]), allow_partial="trailing-strings")
        except ValueError:
            error.begun = {}
    return error
