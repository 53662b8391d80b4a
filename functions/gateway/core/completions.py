"""The path of a chat completion: route, look up, call, count."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from functions.gateway.core.errors import ProviderRejected
from functions.gateway.core.fingerprint import cache_key, may_store
from functions.gateway.core.live_stream import LiveStream, Status, estimate
from functions.gateway.core.models import CacheControl, CachedAnswer, CacheKey, CacheState, Caller, Json, Target, Usage
from functions.gateway.core.ports import ChatWire, ProviderDirectory
from functions.gateway.core.routing import resolve
from functions.gateway.core.semantic_cache import SemanticCache
from functions.gateway.core.streaming import Assembler, chunks_of
from functions.gateway.core.usage import UsageBook

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Call:
    """One call on its way, with what was found out about it.

    Attributes:
        provider_seconds: time spent waiting for providers; the rest is ours.
    """

    caller: Caller
    body: Json
    target: Target
    key: CacheKey | None
    control: CacheControl
    started: float = field(default_factory=time.perf_counter)
    provider_seconds: float = 0.0
    vector: bytes | None = None
    state: CacheState = "miss"
    similarity: float | None = None
    age_seconds: int | None = None

    def overhead_ms(self) -> float:
        """Milliseconds since the start that no provider was waited for."""
        return max(0.0, (time.perf_counter() - self.started - self.provider_seconds) * 1000)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole completion and how it came about."""

    call: Call
    completion: Json


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """A completion in chunks and how it came about. `close` must be called when nobody reads any more."""

    call: Call
    chunks: AsyncIterator[Json]
    close: Callable[[], None]


class Completions:
    """Chat completions for a tenant.

    Args:
        wires: how to speak to each kind of provider.
        spawn: runs work in the background, owned by the process.
    """

    def __init__(
        self,
        directory: ProviderDirectory,
        wires: Mapping[str, ChatWire],
        cache: SemanticCache,
        usage: UsageBook,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._directory = directory
        self._wires = wires
        self._cache = cache
        self._usage = usage
        self._spawn = spawn
        self._flights: dict[tuple[str, str, str], asyncio.Future[Json]] = {}

    async def complete(self, caller: Caller, body: Json, control: CacheControl) -> Answer:
        """A whole completion.

        Raises:
            DcoderError: no such model, or what the provider answered instead.
        """
        call = await self._begin(caller, body, control)
        if call.key is None or not control.may_read:
            return Answer(call, await self._ask(call))
        flight = (caller.tenant_id, call.target.provider.name, call.key.exact)
        running = self._flights.get(flight)
        if running is not None:
            # The very same question is being asked right now: its answer, or its failure, is this one's too.
            completion = await asyncio.shield(running)
            if may_store(completion):
                return Answer(call, await self._serve_cached(call, CachedAnswer(completion, "hit", 1.0, 0)))
            return Answer(call, await self._ask(call))
        task = asyncio.ensure_future(self._find_or_ask(call))
        self._flights[flight] = task
        task.add_done_callback(lambda done: self._landed(flight, done))
        # Shielded: the caller who leaves must not take the answer from those who wait for the same one.
        return Answer(call, await asyncio.shield(task))

    async def stream(self, caller: Caller, body: Json, control: CacheControl) -> StreamedAnswer:
        """A completion in chunks.

        Raises:
            DcoderError: no such model, or the provider did not accept the request.
        """
        call = await self._begin(caller, body, control)
        wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        cached = await self._cache.find(call)
        if cached is not None:
            completion = await self._serve_cached(call, cached)
            return StreamedAnswer(call, _each(chunks_of(completion, include_usage=wants_usage)), lambda: None)
        sent = {**body, "model": call.target.model, "stream_options": {"include_usage": True}}
        live = LiveStream(
            self._wire(call.target), call.target, sent, lambda assembler, status: self._settle(call, assembler, status)
        )
        waited = time.perf_counter()
        await live.start()
        call.provider_seconds += time.perf_counter() - waited
        return StreamedAnswer(call, _without_unasked_usage(live.chunks(), wants_usage), live.abandon)

    async def _begin(self, caller: Caller, body: Json, control: CacheControl) -> Call:
        target = resolve(str(body.get("model") or ""), await self._directory.providers(caller.tenant_id))
        caching = caller.settings.cache_ttl_seconds > 0 and (control.may_read or control.may_store)
        key = cache_key(caller.tenant_id, target, body) if caching else None
        return Call(caller, body, target, key, control)

    def _wire(self, target: Target) -> ChatWire:
        wire = self._wires.get(target.provider.kind)
        if wire is None:
            raise ProviderRejected(f"chat with providers of kind {target.provider.kind} is not offered yet")
        return wire

    async def _find_or_ask(self, call: Call) -> Json:
        cached = await self._cache.find(call)
        return await self._ask(call) if cached is None else await self._serve_cached(call, cached)

    async def _ask(self, call: Call) -> Json:
        body = {name: value for name, value in call.body.items() if name not in {"stream", "stream_options"}}
        waited = time.perf_counter()
        completion = await self._wire(call.target).complete(call.target, {**body, "model": call.target.model})
        call.provider_seconds += time.perf_counter() - waited
        usage = Usage.of(completion.get("usage")) or estimate(_characters(call.body), len(orjson.dumps(completion)))
        await self._usage.record(call.caller, call.target, usage, started=call.started)
        self._keep(call, completion)
        return completion

    async def _serve_cached(self, call: Call, cached: CachedAnswer) -> Json:
        call.state, call.similarity, call.age_seconds = cached.state, cached.similarity, cached.age_seconds
        saved = Usage.of(cached.completion.get("usage")) or Usage()
        await self._usage.record_cached(call.caller, call.target, cached.state, saved, started=call.started)
        return cached.completion

    async def _settle(self, call: Call, assembler: Assembler, status: Status) -> None:
        usage = assembler.usage or estimate(_characters(call.body), assembler.text_length)
        await self._usage.record(call.caller, call.target, usage, started=call.started, status=status)
        completion = assembler.completion()
        if status != "error" and completion is not None and assembler.usage is not None:
            self._keep(call, completion)

    def _keep(self, call: Call, completion: Json) -> None:
        if call.key is not None and call.control.may_store and may_store(completion):
            self._spawn(self._cache.store(call, completion), "cache-store")

    def _landed(self, flight: tuple[str, str, str], done: "asyncio.Future[Json]") -> None:
        self._flights.pop(flight, None)
        if not done.cancelled():
            done.exception()


def _characters(body: Json) -> int:
    return sum(len(str(message.get("content") or "")) for message in body["messages"])


async def _each(chunks: Any) -> AsyncIterator[Json]:
    for chunk in chunks:
        yield chunk


async def _without_unasked_usage(chunks: AsyncIterator[Json], wanted: bool) -> AsyncIterator[Json]:
    """Take out the usage chunk that we asked the provider for and the client did not."""
    async for chunk in chunks:
        if wanted or chunk.get("choices") or not chunk.get("usage"):
            yield chunk
