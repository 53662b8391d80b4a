"""The path of a completion, in whatever format it is asked for: route, look up, call, count."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from functions.gateway.core.admission import Admission
from functions.gateway.core.booking import Booking
from functions.gateway.core.call import Answer, Call, StreamedAnswer
from functions.gateway.core.counting import CountedBehind, Work, asking
from functions.gateway.core.dialects import Dialect, Passage, understanding
from functions.gateway.core.errors import ProviderRejected, QuotaExceeded, begun_before
from functions.gateway.core.fingerprint import cache_key, may_store
from functions.gateway.core.live_stream import LiveStream, Status
from functions.gateway.core.models import CacheControl, CachedAnswer, Caller, Json, Target, Usage
from functions.gateway.core.needs import estimated
from functions.gateway.core.ports import ChatWire, Contents, NativeWire, ProviderDirectory
from functions.gateway.core.routing import resolve
from functions.gateway.core.semantic_cache import SemanticCache
from functions.gateway.core.shortening import Compressor, shortened
from functions.gateway.core.streaming import Assembler, chunks_of, texts_in, usage_object, written_in
from functions.gateway.core.telling import (
    Told,
    each_of,
    events_told,
    in_words,
    native_request,
    reading_of,
    sent_to_provider,
    told_answer,
    without_unasked_usage,
)
from functions.gateway.core.usage import UsageBook
from functions.kit.errors import DcoderError

# Tenant and digest of the request.
_Flight = tuple[str, str]


class _LeaderLeft(Exception):
    """Whoever asked first went before there was an answer."""


class Completions:
    """Completions for a tenant.

    Args:
        wires: how to speak to each kind of provider.
        natives: how to speak other formats to the kinds that understand them, by format and kind.
        spawn: runs work in the background, owned by the process.
    """

    def __init__(
        self,
        directory: ProviderDirectory,
        wires: Mapping[str, ChatWire],
        cache: SemanticCache,
        *,
        admission: Admission,
        usage: UsageBook,
        contents: Contents,
        compressor: Compressor,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        natives: Mapping[tuple[str, str], NativeWire],
    ) -> None:
        self._directory = directory
        self._wires = wires
        self._natives = natives
        self._cache = cache
        self._admission = admission
        self._usage = usage
        self._contents = contents
        self._compressor = compressor
        self._spawn = spawn
        self._counted = CountedBehind(usage, spawn)
        self._flights: dict[_Flight, asyncio.Future[Told]] = {}
        self._streams: dict[_Flight, asyncio.Future[LiveStream | CachedAnswer | None]] = {}

    async def complete(
        self, caller: Caller, body: Json, control: CacheControl, dialect: Dialect | None = None
    ) -> Answer:
        """A whole completion.

        Args:
            body: the request.
            dialect: the same request, where it is not a chat's; the answer is in its format then.

        Raises:
            DcoderError: no such model, a limit of the tenant's, or what the provider answered instead.
        """
        call = await self._begin(caller, body, control, dialect)
        call.may_wait = True
        if call.key is None or not control.may_read:
            async with self._admission.holding(call.booking):
                await self._admit(call)
                return told_answer(call, await self._ask(call))
        flight = (caller.tenant_id, call.key.exact)
        while (running := self._flights.get(flight)) is not None:
            with suppress(_LeaderLeft):
                return told_answer(call, await self._share(call, running))
        return told_answer(call, await self._lead(call, flight))

    async def _lead(self, call: Call, flight: _Flight) -> Told:
        """Ask for all who ask the same, until the cache has the answer."""
        leading = self._flights[flight] = asyncio.get_running_loop().create_future()
        call.flight = flight
        try:
            told = await self._find_or_ask(call)
        except BaseException as error:
            self._landed(call)
            leading.set_exception(error if isinstance(error, Exception) else _LeaderLeft())
            # Theirs who wait for it, if anybody does.
            leading.exception()
            raise
        leading.set_result(told)
        return told

    async def stream(
        self, caller: Caller, body: Json, control: CacheControl, dialect: Dialect | None = None
    ) -> StreamedAnswer:
        """A completion in chunks, or in the events of the dialect's format.

        Raises:
            DcoderError: no such model, a limit of the tenant's, or the provider did not accept the request.
        """
        call = await self._begin(caller, body, control, dialect)
        wants_usage = bool(dialect or (body.get("stream_options") or {}).get("include_usage"))
        is_native = call.passage is not None and call.passage.wire is not None
        if call.key is None or not control.may_read or is_native:
            return self._streamed(call, await self._find_or_open(call), wants_usage)
        flight = (caller.tenant_id, call.key.exact)
        while (running := self._streams.get(flight)) is not None:
            if (found := await call.hears(running)) is not None:
                return self._streamed(call, await self._join(call, found), wants_usage)
        leading: asyncio.Future[LiveStream | CachedAnswer | None] = asyncio.get_running_loop().create_future()
        self._streams[flight] = leading
        try:
            opened = await self._find_or_open(call)
            leading.set_result(opened)
        finally:
            if leading.done() and isinstance(opened, LiveStream):
                opened.when_ended(lambda: self._passed(flight))
            else:
                del self._streams[flight]
            if not leading.done():
                leading.set_result(None)
        return self._streamed(call, opened, wants_usage)

    def _passed(self, flight: _Flight) -> None:
        del self._streams[flight]

    async def _find_or_open(self, call: Call) -> LiveStream | CachedAnswer:
        async with self._admission.holding(call.booking):
            open_stream = self._opening(call)
            cached = await self._admit_and_find(call)
            if cached is not None:
                await self._serve_cached(call, cached)
                return cached
            await self._shorten(call)
        live = LiveStream(
            open_stream,
            reading_of(call),
            settle=lambda assembler, status: self._settle(call, assembler, status),
            give_back=lambda refusal: self._admission.given_back(call.booking, refusal),
            spawn=self._spawn,
        )
        with asking(call, self._usage):
            await live.start()
        return live

    async def _join(self, call: Call, found: LiveStream | CachedAnswer) -> LiveStream | CachedAnswer:
        """The very same question is being answered right now: hear the same answer, from its beginning."""
        async with self._admission.holding(call.booking):
            await self._admission.for_request(call.booking)
            if isinstance(found, CachedAnswer):
                await self._serve_cached(call, found)
                return found
            found.join()
            call.cached = CachedAnswer({}, "hit", 1.0, 0, call.cache_id)
            self._spawn(self._settle_joined(call, found), "joined-stream")
        return found

    async def _settle_joined(self, call: Call, live: LiveStream) -> None:
        async with self._admission.holding(call.booking):
            used = await call.outlasts(live.usage())
            answer = CachedAnswer({"usage": usage_object(used or Usage())}, "hit", 1.0, 0, call.cache_id)
            await self._serve_cached(call, answer)

    def _streamed(self, call: Call, opened: LiveStream | CachedAnswer, wants_usage: bool) -> StreamedAnswer:
        if isinstance(opened, CachedAnswer):
            chunks = each_of(chunks_of(opened.completion, include_usage=wants_usage))
            return StreamedAnswer(call, in_words(call, chunks), lambda: None)
        if call.passage is None:
            return StreamedAnswer(call, without_unasked_usage(opened.chunks(), wants_usage), opened.abandon)
        heard = opened.chunks()
        events = events_told(call.passage.dialect, heard) if call.passage.wire else in_words(call, heard)
        return StreamedAnswer(call, events, opened.abandon)

    async def _begin(self, caller: Caller, body: Json, control: CacheControl, dialect: Dialect | None) -> Call:
        providers = await self._directory.providers(caller.tenant_id)
        target = resolve(str(body.get("model") or ""), providers, caller.settings.model_aliases)
        caller.ensure_may_call(target)
        booking = Booking(caller, target)
        self._contents.expect(booking)
        await self._admission.book(booking)
        passage = None if dialect is None else Passage.of(dialect, target, self._natives)
        may_share = passage is None or passage.may_share
        caching = may_share and caller.settings.cache_ttl_seconds > 0 and (control.may_read or control.may_store)
        chat = body if passage is None else passage.chat
        warmest = caller.settings.cache_max_temperature
        key = cache_key(caller.tenant_id, target, chat, max_temperature=warmest) if caching else None
        return Call(booking, chat, key, control, providers, passage, is_settled=caller.compression == "off")

    def _opening(self, call: Call) -> Callable[[], AbstractAsyncContextManager[AsyncIterator[Json]]]:
        """What asks the provider for a stream, later."""
        passage = call.passage
        if passage is not None and passage.wire is not None:
            native = passage.wire
            # Asked of the call when it is opened: the prompt may be shorter by then.
            return lambda: native.stream(call.target, native_request(call, stream=True), passage.dialect.headers)
        wire = self._wire(call.target)
        options = {"stream": True, "stream_options": {**(call.body.get("stream_options") or {}), "include_usage": True}}
        return lambda: wire.stream(call.target, {**sent_to_provider(call), **options})

    def _wire(self, target: Target) -> ChatWire:
        wire = self._wires.get(target.provider.kind)
        if wire is None:
            raise ProviderRejected(f"chat with providers of kind {target.provider.kind} is not offered yet")
        return wire

    async def _share(self, call: Call, running: "asyncio.Future[Told]") -> Told:
        """The very same question is being asked right now: its answer, or its failure, is this call's too."""
        async with self._admission.holding(call.booking):
            await self._admission.for_request(call.booking)
            try:
                completion = (await call.hears(running)).completion
            except QuotaExceeded:
                # That was the other caller's limit; this one may have others.
                return await self._find_or_ask(call)
            if may_store(completion):
                return await self._serve_cached(call, CachedAnswer(completion, "hit", 1.0, 0, call.cache_id))
            await self._admit(call)
            return await self._ask(call)

    async def _find_or_ask(self, call: Call) -> Told:
        try:
            cached = await self._admit_and_find(call)
            return await (self._ask(call) if cached is None else self._serve_cached(call, cached))
        except BaseException as error:
            self._cache.let_others(call)
            await self._admission.ended_by(call.booking, error)
            raise

    async def _shorten(self, call: Call) -> None:
        """Compress the prompt, once. The cache goes by the prompt as it was: the question is the same."""
        if call.is_settled:
            return
        call.is_settled = True
        passage = call.passage
        if passage is not None and passage.wire is not None:
            body: Json = {"messages": passage.dialect.turns()}
        else:
            body = call.body
        shorter, told = await shortened(self._compressor, body, call.caller.compression, call.target.model)
        if told is not None:
            call.shortening, call.booking.shortened_by = told, told.saved
        if shorter is body:
            return
        call.written = call.body
        if passage is not None and passage.wire is not None:
            call.passage = passage.shortened(call.target, shorter["messages"])
            call.body = call.passage.chat
        else:
            call.body = shorter

    async def _admit(self, call: Call) -> None:
        await self._shorten(call)
        call.most_tokens = await self._admission.for_chat(call.booking, call.body)

    async def _admit_and_find(self, call: Call) -> CachedAnswer | None:
        """Let the call in, and look for an answer given before, which takes no tokens and so needs none left."""
        if not call.booking.limits.are_hard:
            return await self._cache.find(call)
        if call.key is None or not call.control.may_read:
            await self._admit(call)
            return None
        if not call.is_settled:
            # Work for nothing where the answer is known.
            found = await self._cache.find_exact(call)
            if found is not None:
                await self._admission.for_request(call.booking)
                return found
            await self._admit(call)
            return await self._cache.find_similar(call)
        # Both are on their way to Redis before either is waited for: one round trip.
        begun = self._cache.begin_exact(call)
        refusal = await self._refusal(call, begun)
        cached = await self._cache.find_exact(call, begun)
        if refusal is None:
            return cached or await self._cache.find_similar(call)
        if cached is None and not refusal.is_final:
            await self._admit(call)
            return await self._cache.find_similar(call)
        if cached is None:
            raise refusal
        await self._admission.for_request(call.booking)
        return cached

    async def _refusal(self, call: Call, begun: "asyncio.Future[Any] | None") -> QuotaExceeded | None:
        """Let a call in whose prompt is settled, or tell the limit that does not; nobody is waited for."""
        try:
            call.most_tokens = await self._admission.for_chat(call.booking, call.body, patient=False)
        except QuotaExceeded as error:
            return error
        except BaseException:
            if begun is not None:
                # Unheard, it may have made this call the one that others wait for.
                begun.cancel()
                call.is_leading = True
            raise
        return None

    async def _ask(self, call: Call) -> Told:
        await self._shorten(call)
        try:
            told = await self._told(call)
        except DcoderError as error:
            if (begun := begun_before(error)) is not None:
                billed = await estimated(call.target, call.body, texts_in(begun))
                await self._usage.record(call.booking, billed, status="error", said=call.said(None))
            raise
        completion = told.completion
        usage = Usage.of(completion.get("usage"))
        if usage is None:
            usage = await estimated(call.target, call.body, written_in(completion))
        self._usage.price(call.booking, usage)
        counting = self._usage.begin(call.booking, usage, call.said(completion))
        await self._counted.behind(counting, self._keeping(call, completion), soon=call.vector is None)
        return told

    async def _told(self, call: Call) -> Told:
        passage = call.passage
        if passage is None or passage.wire is None:
            wire = self._wire(call.target)
            with asking(call, self._usage):
                return Told(await wire.complete(call.target, sent_to_provider(call)))
        dialect = passage.dialect
        with asking(call, self._usage):
            own = await passage.wire.complete(call.target, native_request(call, stream=False), dialect.headers)
        with understanding(call.target):
            return Told(dialect.completion(own), own)

    async def _serve_cached(self, call: Call, cached: CachedAnswer) -> Told:
        call.cached = cached
        call.most_tokens = None
        saved = Usage.of(cached.completion.get("usage")) or Usage()
        worth = self._usage.worth(call.target, saved)
        remembering = self._cache.served(call, cached, saved.total_tokens, worth)
        self._landed(call)
        said = call.said(cached.completion)
        counting = self._usage.begin_cached(call.booking, cached.state, saved.total_tokens, worth, said)
        await self._counted.behind(counting, remembering, soon=True)
        return Told(cached.completion)

    async def _settle(self, call: Call, assembler: Assembler, status: Status) -> None:
        usage = assembler.usage or await estimated(call.target, call.body, assembler.written())
        await self._usage.record(call.booking, usage, status=status, said=call.said(assembler.said(), assembler.began))
        completion = assembler.completion()
        if status != "error" and completion is not None and assembler.usage is not None:
            keeping = self._keeping(call, completion)
            if keeping is not None:
                self._spawn(keeping, "cache-store")

    def _keeping(self, call: Call, completion: Json) -> Work | None:
        """What keeps an answer; None where it may not be kept, which those who wait for it are told."""
        if call.key is not None and call.control.may_store and may_store(completion):
            return self._kept(call, self._cache.store(call, call.key, completion))
        self._cache.let_others(call)
        self._landed(call)
        return None

    async def _kept(self, call: Call, storing: Coroutine[Any, Any, bool]) -> None:
        try:
            if not await storing:
                self._cache.let_others(call)
        finally:
            self._landed(call)

    def _landed(self, call: Call) -> None:
        """Whoever asks the same from here on finds the answer in the cache, or asks."""
        if call.flight is not None:
            del self._flights[call.flight]
            call.flight = None
