"""The tenant's models as search and answers ask them, by way of the LLM gateway; every failure says what it means."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from functions.kit.errors import DependencyUnavailable
from functions.kit.service_tokens import OnBehalf, ServiceTokens
from functions.kit.storable import encoded
from functions.knowledge.core.errors import ModelRefused
from functions.knowledge.core.vectors import vector_of

_ACTIONS = frozenset({"llm:call"})
# A search waits no longer for its question's embedding: it goes on by words.
_EMBEDDING = aiohttp.ClientTimeout(total=5, connect=2)
_COMPLETION = aiohttp.ClientTimeout(total=300, connect=5, sock_read=120)
_AWAY = (aiohttp.ClientError, TimeoutError, OSError)
_PASSING = {408, 409, 425, 429, 500, 502, 503, 504}
_LONGEST_LINE = 1 << 20


class GatewayRetrieval:
    """Embeds questions, completes chats, streams them.

    Args:
        service: the function that asks, by its name in the catalogue.
    """

    def __init__(self, http: aiohttp.ClientSession, edge_url: str, tokens: ServiceTokens, service: str) -> None:
        self._http = http
        self._edge_url = edge_url.rstrip("/")
        self._tokens = tokens
        self._service = service

    async def embed_query(self, behalf: OnBehalf, model: str, query: str) -> Sequence[float]:
        """The embedding of a question.

        Raises:
            DependencyUnavailable: the gateway or the provider is away, or a limit is reached.
            ModelRefused: the gateway does not take the request.
        """
        async with self._post(behalf, "/v1/embeddings", {"model": model, "input": query}, _EMBEDDING) as response:
            answer = orjson.loads(await response.read())
        try:
            return vector_of(answer["data"][0]["embedding"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelRefused(f"{model} does not answer with an embedding") from error

    async def complete(self, behalf: OnBehalf, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A whole completion, as OpenAI's object.

        Raises:
            DependencyUnavailable: the gateway or the provider is away, or a limit is reached.
            ModelRefused: the gateway does not take the request.
        """
        async with self._post(behalf, "/v1/chat/completions", body, _COMPLETION) as response:
            answer: Mapping[str, Any] = orjson.loads(await response.read())
            return answer

    async def stream(self, behalf: OnBehalf, body: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """A completion's chunks, as OpenAI's objects.

        Raises:
            DependencyUnavailable: the gateway or the provider is away or breaks off, or a limit is reached.
            ModelRefused: the gateway does not take the request.
        """
        async with self._post(behalf, "/v1/chat/completions", {**body, "stream": True}, _COMPLETION) as response:
            async for line in response.content:
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                chunk = orjson.loads(data)
                if "error" in chunk:
                    raise DependencyUnavailable(_said(chunk), details={"dependency": "gateway"})
                yield chunk
        raise DependencyUnavailable("the answer broke off", details={"dependency": "gateway"})

    @asynccontextmanager
    async def _post(
        self,
        behalf: OnBehalf,
        path: str,
        body: Mapping[str, Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        token = self._tokens.mint(self._service, behalf, _ACTIONS)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        try:
            data = encoded(body, "the request")
        except ValueError as error:
            raise ModelRefused(str(error)) from error
        try:
            async with self._http.post(
                self._edge_url + path, data=data, headers=headers, timeout=timeout,
                read_bufsize=_LONGEST_LINE,
            ) as response:  # fmt: skip
                if response.status != 200:
                    raise await _refusal(response)
                yield response
        except _AWAY as error:
            reason = f"the gateway does not answer: {type(error).__name__}"
            raise DependencyUnavailable(reason, details={"dependency": "gateway"}) from error
        except orjson.JSONDecodeError as error:
            raise DependencyUnavailable(
                "the gateway's answer is not JSON", details={"dependency": "gateway"}
            ) from error


async def _refusal(response: aiohttp.ClientResponse) -> DependencyUnavailable | ModelRefused:
    try:
        told = orjson.loads(await response.read())
    except orjson.JSONDecodeError:
        told = {}
    code = str((told.get("error") or {}).get("code") or response.status) if isinstance(told, dict) else ""
    details = {"dependency": "gateway", "gatewayStatus": response.status, "gatewayCode": code}
    if response.status in _PASSING:
        after = response.headers.get("retry-after", "")
        return DependencyUnavailable(_said(told), details=details, retry_after=float(after) if after.isdigit() else 1.0)
    return ModelRefused(_said(told), details=details)


def _said(told: Any) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    return f"the gateway refuses: {error.get('message')}"[:500] if isinstance(error, dict) else "the gateway refuses"
