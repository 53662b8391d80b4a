"""The tenant's models, by way of the LLM gateway: its limits, its usage, its providers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import orjson

from functions.agents.core.errors import ModelRefused
from functions.agents.core.models import Json, Spent
from functions.agents.core.ports import Completion
from functions.kit.errors import DependencyUnavailable, RateLimited
from functions.kit.service_tokens import OnBehalf, ServiceTokens

_SERVICE = "agents-execute"
_ACTIONS = frozenset({"llm:call"})
_PATH = "/v1/chat/completions"
_COST = "x-dcoder-cost-micro-usd"
_SECONDS = aiohttp.ClientTimeout(total=600, connect=5, sock_read=180)
_AWAY = (aiohttp.ClientError, TimeoutError, OSError)
# The same request is still being answered, or the provider or a part of ours is away.
_PASSING = {408, 409, 425, 500, 502, 503, 504}
_LONGEST_LINE = 1 << 20


class GatewayChat:
    """Port `ChatModel`."""

    def __init__(self, http: aiohttp.ClientSession, edge_url: str, tokens: ServiceTokens) -> None:
        self._http = http
        self._url = edge_url.rstrip("/") + _PATH
        self._tokens = tokens

    async def complete(self, behalf: OnBehalf, body: Json, key: str) -> Completion:
        """A whole answer; the gateway gives the same again for the same key."""
        async with self._post(behalf, body, {"idempotency-key": key}) as response:
            answer = orjson.loads(await response.read())
            cost = int(response.headers.get(_COST, "0"))
        with _understanding():
            return Completion(_plain(dict(answer["choices"][0]["message"])), _spent(answer.get("usage"), cost))

    async def stream(self, behalf: OnBehalf, body: Json, told: Callable[[str], Awaitable[None]]) -> Completion:
        """The same, each piece of text told as it comes."""
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        heard = _Heard()
        async with self._post(behalf, asked, {}) as response:
            async for line in response.content:
                with _understanding():
                    text = heard.take(line)
                if text:
                    await told(text)
                if heard.is_whole:
                    with _understanding():
                        return heard.completion()
        raise DependencyUnavailable("the answer broke off", details={"dependency": "gateway"})

    @asynccontextmanager
    async def _post(self, behalf: OnBehalf, body: Json, more: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        token = self._tokens.mint(_SERVICE, behalf, _ACTIONS)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json", **more}
        try:
            async with self._http.post(
                self._url, data=orjson.dumps(dict(body)), headers=headers, timeout=_SECONDS, read_bufsize=_LONGEST_LINE
            ) as response:
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


class _Heard:
    """A stream's message, put together."""

    def __init__(self) -> None:
        self.is_whole = False
        self._parts: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._usage: Json = {}
        self._cost = 0

    def take(self, line: bytes) -> str:
        """Take in a line; gives the text in it.

        Raises:
            DependencyUnavailable: the stream says that it ends with an error.
        """
        if line.startswith(b": " + _COST.encode() + b"="):
            self._cost = int(line.rpartition(b"=")[2])
        if not line.startswith(b"data:"):
            return ""
        data = line[5:].strip()
        if data == b"[DONE]":
            self.is_whole = True
            return ""
        chunk = orjson.loads(data)
        if "error" in chunk:
            raise DependencyUnavailable(_said(chunk), details={"dependency": "gateway"})
        self._usage = chunk.get("usage") or self._usage
        text = ""
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            text += delta.get("content") or ""
            for call in delta.get("tool_calls") or ():
                self._take_call(call)
        self._parts.append(text)
        return text

    def _take_call(self, call: dict[str, Any]) -> None:
        known = self._calls.setdefault(
            int(call.get("index", 0)), {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        known["id"] = call.get("id") or known["id"]
        function = call.get("function") or {}
        for name in ("name", "arguments"):
            known["function"][name] += function.get(name) or ""

    def completion(self) -> Completion:
        """All of it."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._parts)}
        if self._calls:
            message["tool_calls"] = [call for _, call in sorted(self._calls.items())]
        return Completion(message, _spent(self._usage, self._cost))


@contextmanager
def _understanding() -> Iterator[None]:
    """Say of an answer of another form that the model refuses: asked again it would say, and cost, the same."""
    try:
        yield
    except orjson.JSONDecodeError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ModelRefused("the model does not answer with a message") from error


def _plain(message: dict[str, Any]) -> Json:
    """What of a message may be sent back to any provider."""
    kept = {"role": "assistant", "content": message.get("content")}
    calls = message.get("tool_calls")
    if not calls:
        return kept
    if not all(isinstance(call, dict) and isinstance(call.get("function"), dict) for call in list(calls)):
        raise TypeError("a tool call is an object with a function")
    return {**kept, "tool_calls": list(calls)}


def _spent(usage: Json | None, cost: int) -> Spent:
    told = usage or {}
    return Spent(int(told.get("prompt_tokens") or 0), int(told.get("completion_tokens") or 0), cost, 1)


async def _refusal(response: aiohttp.ClientResponse) -> Exception:
    try:
        told = orjson.loads(await response.read())
    except orjson.JSONDecodeError:
        told = {}
    after = response.headers.get("retry-after", "")
    seconds = float(after) if after.isdigit() else None
    if response.status == 429:
        return RateLimited(_said(told), retry_after=seconds)
    if response.status in _PASSING:
        return DependencyUnavailable(_said(told), details={"dependency": "gateway"}, retry_after=seconds or 1.0)
    return ModelRefused(_said(told), details={"gatewayStatus": response.status})


def _said(told: Any) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict):
        return "the gateway refuses"
    return f"the gateway refuses: {error.get('code')}: {error.get('message')}"[:500]
