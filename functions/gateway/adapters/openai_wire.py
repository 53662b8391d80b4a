"""Speaks OpenAI's wire format, which Groq and every OpenAI-compatible server share.

Source: platform.openai.com/docs/api-reference, console.groq.com/docs/openai.
"""

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import orjson

from functions.gateway.adapters.sse_reader import read_events
from functions.gateway.core.errors import (
    ModelNotFound,
    ProviderAuthenticationFailed,
    ProviderBadResponse,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from functions.gateway.core.models import Json, Target
from functions.kit.egress import EgressPolicy
from functions.kit.errors import DcoderError
from functions.kit.redaction import redact

_logger = logging.getLogger(__name__)
_LARGEST_ANSWER = 64 * 1024 * 1024
_LONGEST_MESSAGE = 500


class OpenAIWire:
    """Calls a provider over a pooled HTTP session.

    Args:
        first_byte_seconds: longest wait for the provider's first byte and between two of a stream.
        total_seconds: longest whole call.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        egress: EgressPolicy,
        *,
        first_byte_seconds: float = 120.0,
        total_seconds: float = 600.0,
    ) -> None:
        self._session = session
        self._egress = egress
        self._timeout = aiohttp.ClientTimeout(total=total_seconds, sock_connect=5, sock_read=first_byte_seconds)

    async def complete(self, target: Target, body: Json) -> Json:
        """POST /chat/completions.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        answer = await self._post(target, "/chat/completions", body)
        if not isinstance(answer.get("choices"), list):
            raise ProviderBadResponse("the provider's answer has no choices", details=_of(target))
        return answer

    async def embed(self, target: Target, body: Json) -> Json:
        """POST /embeddings.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        answer = await self._post(target, "/embeddings", body)
        if not isinstance(answer.get("data"), list):
            raise ProviderBadResponse("the provider's answer has no data", details=_of(target))
        return answer

    @asynccontextmanager
    async def stream(self, target: Target, body: Json) -> AsyncIterator[AsyncIterator[Json]]:
        """POST /chat/completions with `stream`.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        with _reporting(target):
            async with self._request(target, "/chat/completions", {**body, "stream": True}) as response:
                if response.content_type != "text/event-stream":
                    raise ProviderBadResponse("the provider did not answer with a stream", details=_of(target))
                yield _chunks(target, response)

    async def _post(self, target: Target, path: str, body: Json) -> Json:
        with _reporting(target):
            async with self._request(target, path, body) as response:
                return _object(target, await _read(response))

    @asynccontextmanager
    async def _request(self, target: Target, path: str, body: Json) -> AsyncIterator[aiohttp.ClientResponse]:
        provider = target.provider
        self._egress.check_url(provider.base_url, provider.kind)
        async with self._session.post(
            provider.base_url + path,
            data=orjson.dumps(body),
            headers={"authorization": f"Bearer {provider.api_key}", "content-type": "application/json"},
            timeout=self._timeout,
            # A redirect could carry the key to a host that nobody allowed.
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                raise _refusal(target, response.status, response.headers, await _read(response, 65_536))
            yield response


async def _chunks(target: Target, response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    with _reporting(target):
        ended = False
        async for data in read_events(response.content.iter_any()):
            if data == b"[DONE]":
                ended = True
                break
            chunk = _object(target, data)
            if "error" in chunk:
                raise ProviderUnavailable("the provider broke off its stream", details=_of(target, chunk))
            ended = ended or any(choice.get("finish_reason") for choice in chunk.get("choices") or ())
            yield chunk
        if not ended:
            raise ProviderUnavailable("the provider's stream ended in the middle", details=_of(target))


async def _read(response: aiohttp.ClientResponse, limit: int = _LARGEST_ANSWER) -> bytes:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > limit:
            if limit == _LARGEST_ANSWER:
                raise ProviderBadResponse("the provider's answer is too large")
            break
    return bytes(body)


def _object(target: Target, body: bytes) -> Json:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProviderBadResponse("the provider's answer is not JSON", details=_of(target)) from error
    if not isinstance(answer, dict):
        raise ProviderBadResponse("the provider's answer is not an object", details=_of(target))
    return answer


@contextmanager
def _reporting(target: Target) -> Iterator[None]:
    """Turn what the HTTP client raises into the gateway's errors."""
    try:
        yield
    except TimeoutError as error:
        raise ProviderTimeout("the provider did not answer in time", details=_of(target)) from error
    except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        raise ProviderBadResponse("the provider's answer broke off", details=_of(target)) from error
    except (aiohttp.ClientError, OSError) as error:
        _logger.warning("provider unreachable", extra={"provider": target.provider.name}, exc_info=error)
        raise ProviderUnavailable("the provider cannot be reached", details=_of(target), retry_after=1) from error


def _refusal(target: Target, status: int, headers: Mapping[str, str], body: bytes) -> DcoderError:
    """The gateway's error for what a provider answered instead of 200."""
    details = {**_of(target), "providerStatus": status, "providerMessage": _message(body)}
    if status == 429:
        return ProviderRateLimited(
            "the provider's rate limit is reached", details=details, retry_after=_seconds(headers.get("retry-after"))
        )
    if status in {401, 403}:
        return ProviderAuthenticationFailed("the provider does not accept the configured key", details=details)
    if status == 404:
        return ModelNotFound(f"the provider does not know model {target.model!r}", details=details)
    if status in {408, 504}:
        return ProviderTimeout("the provider did not answer in time", details=details)
    if 400 <= status < 500:
        return ProviderRejected(details["providerMessage"] or "the provider refused the request", details=details)
    return ProviderUnavailable("the provider failed", details=details, retry_after=_seconds(headers.get("retry-after")))


def _message(body: bytes) -> str:
    """The human part of a provider's error body, redacted: some repeat a piece of the key."""
    try:
        error = orjson.loads(body)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
    return redact(str(text))[:_LONGEST_MESSAGE]


def _of(target: Target, chunk: Json | None = None) -> Json:
    details = {"provider": target.provider.name, "model": target.model}
    return {**details, "providerMessage": _message(orjson.dumps(chunk))} if chunk else details


def _seconds(header: str | None) -> float:
    try:
        return max(1.0, float(header or 1))
    except ValueError:
        return 1.0
