"""The gateway's composition root: settings in, use cases out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from functions.gateway.adapters.anthropic_wire import AnthropicWire
from functions.gateway.adapters.call_telemetry import CallTelemetry
from functions.gateway.adapters.compression_process import TARGET, CompressionProcess
from functions.gateway.adapters.google_wire import GoogleWire
from functions.gateway.adapters.http_client import HttpClient
from functions.gateway.adapters.native_wires import MessagesWire, ResponsesWire, TextCompletionsWire
from functions.gateway.adapters.openai_wire import OpenAIWire
from functions.gateway.adapters.postgres_directory import PostgresProviderDirectory
from functions.gateway.adapters.postgres_limits import PostgresLimitDirectory
from functions.gateway.adapters.provider_http import ProviderHttp
from functions.gateway.adapters.redis_cache import RedisAnswerCache
from functions.gateway.adapters.redis_cache_admin import RedisCacheBook
from functions.gateway.adapters.redis_link import RedisLink
from functions.gateway.adapters.redis_meter import RedisMeter
from functions.gateway.adapters.sealing import ContentSealer
from functions.gateway.adapters.spool import Spool
from functions.gateway.adapters.vertex_credentials import VertexCredentials
from functions.gateway.adapters.vertex_wire import VertexWire
from functions.gateway.core.admission import Admission, AdmissionPolicy
from functions.gateway.core.cache_feedback import CacheFeedback
from functions.gateway.core.catalogue import ModelCatalogue
from functions.gateway.core.completions import Completions
from functions.gateway.core.embeddings import Embedder
from functions.gateway.core.models import Provider
from functions.gateway.core.ports import ChatWire, NativeWire
from functions.gateway.core.prices import load_prices
from functions.gateway.core.semantic_cache import SemanticCache
from functions.gateway.core.token_counts import TokenCounts
from functions.gateway.core.tokens import warm
from functions.gateway.core.usage import UsageBook
from functions.kit.draining import seconds_left
from functions.kit.egress import EgressPolicy
from functions.kit.offload import Offload
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.kit.subscriptions import Subscriptions
from functions.kit.tenancy import TenantDirectory

_logger = logging.getLogger(__name__)
# Long prompts that wait to be compressed; more go as they are.
_MOST_PROMPTS = 32
_FIRST_ANSWERS_SECONDS = 3.0
# For what is in the spool, however long other things took on the way out.
_LEAST_FOR_SPOOL = 2.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway's use cases."""

    completions: Completions
    embedder: Embedder
    token_counts: TokenCounts
    models: ModelCatalogue
    tenants: TenantDirectory


@asynccontextmanager
async def gateway(runtime: Runtime) -> AsyncIterator[Gateway]:
    """Wire the gateway; its background work ends with the block."""
    settings = runtime.settings
    egress = EgressPolicy.of(settings.egress_allow)
    directory = PostgresProviderDirectory(
        runtime.databases, runtime.secrets, fresh=settings.api_key_cache_seconds, stale=settings.api_key_stale_seconds
    )
    link = RedisLink(settings.redis_url.get_secret_value(), timeout_seconds=settings.redis_timeout_seconds)
    books, answers = _books(runtime, link), RedisAnswerCache(link)
    async with AsyncExitStack() as ending:
        http = await ending.enter_async_context(_provider_http(settings, egress))
        ending.push_async_callback(link.close)
        ending.push_async_callback(books.finish, settings.drain_seconds)
        compressor = CompressionProcess(process := _compression(settings))
        ending.push_async_callback(process.close)
        wires, messages = _wires(http, egress), MessagesWire(http)
        embedder = Embedder(directory, wires, books.admission, books.usage, _platform_embedder(settings))
        subscriptions = _subscriptions(runtime, directory, books.limits)
        for name, work in {
            **books.work(),
            "cache-counts": answers.keep(),
            "subscriptions": subscriptions.run(),
        }.items():
            await ending.enter_async_context(_background(work, name))
        completions = Completions(
            directory,
            wires,
            _cache(runtime, answers, embedder, link),
            admission=books.admission,
            usage=books.usage,
            contents=books.contents,
            compressor=compressor,
            spawn=runtime.spawn,
            natives=_natives(http, messages),
        )
        counts = TokenCounts(directory, {"anthropic": messages})
        yield Gateway(completions, embedder, counts, ModelCatalogue(directory), runtime.tenants)


@dataclass(frozen=True, slots=True)
class _Books:
    """What lets calls in and counts them."""

    limits: PostgresLimitDirectory
    spool: Spool
    meter: RedisMeter
    admission: Admission
    contents: ContentSealer
    usage: UsageBook

    def work(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What goes on beside calls, by name."""
        return {
            "spool-replay": self.spool.replay_for_ever(self.meter.replay),
            "limits": self.limits.follow(),
            "tokenizer": _tokenizer(self.limits),
            "reservations": self.meter.keep(),
        }

    async def finish(self, drain_seconds: float) -> None:
        """Offer what waits in the spool before the process ends: its folder may go with it."""
        await self.spool.finish(self.meter.replay, max(_LEAST_FOR_SPOOL, seconds_left(drain_seconds)))


def _books(runtime: Runtime, link: RedisLink) -> _Books:
    settings, prices = runtime.settings, load_prices()
    limits = PostgresLimitDirectory(runtime.databases, stale=settings.api_key_stale_seconds)
    spool = Spool(settings.spool_dir)
    meter = RedisMeter(link, spool, limits, lease_seconds=settings.quota_lease_seconds)
    admission = Admission(limits, meter, prices, runtime.spawn, _admission_policy(settings))
    contents = ContentSealer(runtime.data_keys, runtime.spawn)
    usage = UsageBook(meter, prices, admission.freed, contents, CallTelemetry(prices.family))
    return _Books(limits, spool, meter, admission, contents, usage)


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            # It must not keep the rest from being closed.
            _logger.error("%s had broken off", name, exc_info=ended)


@asynccontextmanager
async def _provider_http(settings: Settings, egress: EgressPolicy) -> AsyncIterator[ProviderHttp]:
    client = HttpClient(
        egress.resolver(),
        connect_seconds=settings.provider_connect_seconds,
        silence_seconds=settings.provider_first_byte_seconds,
    )
    try:
        yield ProviderHttp(client, egress, total_seconds=settings.provider_total_seconds)
    finally:
        await client.close()


async def _tokenizer(limits: PostgresLimitDirectory) -> None:
    """Load the vocabulary where calls are counted by it, behind the first answers: it holds all others up."""
    await asyncio.sleep(_FIRST_ANSWERS_SECONDS)
    await limits.wait_for_any()
    await asyncio.to_thread(warm)


def _wires(http: ProviderHttp, egress: EgressPolicy) -> dict[str, ChatWire]:
    return {
        "openai": OpenAIWire(http),
        "groq": OpenAIWire(http, embeds=False),
        "anthropic": AnthropicWire(http),
        "google": GoogleWire(http),
        "vertex": VertexWire(http, VertexCredentials(http, egress)),
    }


def _natives(http: ProviderHttp, messages: MessagesWire) -> dict[tuple[str, str], NativeWire]:
    return {
        ("messages", "anthropic"): messages,
        ("responses", "openai"): ResponsesWire(http),
        ("completions", "openai"): TextCompletionsWire(http),
    }


def _admission_policy(settings: Settings) -> AdmissionPolicy:
    return AdmissionPolicy(
        completion_tokens=settings.quota_completion_tokens,
        wait_seconds=settings.quota_wait_seconds,
        open_without_store=settings.quota_when_redis_away == "open",
    )


def _compression(settings: Settings) -> Offload:
    return Offload(
        TARGET, workers=settings.compression_processes, seconds=settings.compression_seconds, waiting=_MOST_PROMPTS
    )


def _cache(runtime: Runtime, answers: RedisAnswerCache, embedder: Embedder, link: RedisLink) -> SemanticCache:
    return SemanticCache(
        answers,
        embedder,
        CacheFeedback(RedisCacheBook(link)),
        embedding_seconds=runtime.settings.cache_embedding_seconds,
        spawn=runtime.spawn,
    )


def _subscriptions(
    runtime: Runtime, directory: PostgresProviderDirectory, limits: PostgresLimitDirectory
) -> Subscriptions:
    subscriptions = Subscriptions(runtime.settings.nats_url.get_secret_value())
    subscriptions.on("provider.updated", lambda event: directory.forget(event.tenant_id or ""))
    subscriptions.on("quota.changed", lambda _: limits.wake())
    subscriptions.on("tenant.updated", lambda event: runtime.forget_tenant(event.tenant_id or ""))
    return subscriptions


def _platform_embedder(settings: Settings) -> Provider | None:
    """What embeds for tenants that have no embedding model."""
    if not (settings.cache_embedder_url and settings.cache_embedder_model):
        return None
    key = settings.cache_embedder_key.get_secret_value() if settings.cache_embedder_key else ""
    url = settings.cache_embedder_url.rstrip("/")
    return Provider("platform", "openai", url, key, embedding_model=settings.cache_embedder_model)
