"""The gateway's composition root: settings in, use cases out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp
import orjson

from functions.gateway.adapters.anthropic_wire import AnthropicWire
from functions.gateway.adapters.call_telemetry import CallTelemetry
from functions.gateway.adapters.compression_process import TARGET, CompressionProcess
from functions.gateway.adapters.google_wire import GoogleWire
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
from functions.gateway.core.usage import UsageBook
from functions.kit.egress import EgressPolicy
from functions.kit.offload import Offload
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.kit.subscriptions import Subscriptions
from functions.kit.tenancy import TenantDirectory

# Long prompts that wait to be compressed; more go as they are.
_MOST_PROMPTS = 32


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
    spool = Spool(settings.spool_dir)
    limits = PostgresLimitDirectory(runtime.databases, stale=settings.api_key_stale_seconds)
    meter = RedisMeter(link, spool, limits, lease_seconds=settings.quota_lease_seconds)
    policy = AdmissionPolicy(
        completion_tokens=settings.quota_completion_tokens,
        wait_seconds=settings.quota_wait_seconds,
        open_without_store=settings.quota_when_redis_away == "open",
    )
    admission = Admission(limits, meter, load_prices(), runtime.spawn, policy)
    process = Offload(
        TARGET, workers=settings.compression_processes, seconds=settings.compression_seconds, waiting=_MOST_PROMPTS
    )
    contents = ContentSealer(runtime.data_keys, runtime.spawn)
    usage = UsageBook(meter, load_prices(), admission.freed, contents, CallTelemetry(load_prices().family))
    connector = aiohttp.TCPConnector(limit=0, resolver=egress.resolver(), keepalive_timeout=60, ttl_dns_cache=60)
    async with aiohttp.ClientSession(
        connector=connector,
        json_serialize=lambda value: orjson.dumps(value).decode(),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=True,
    ) as session:
        http = ProviderHttp(
            session,
            egress,
            connect_seconds=settings.provider_connect_seconds,
            first_byte_seconds=settings.provider_first_byte_seconds,
            total_seconds=settings.provider_total_seconds,
        )
        wires: dict[str, ChatWire] = {
            "openai": OpenAIWire(http),
            "groq": OpenAIWire(http, embeds=False),
            "anthropic": AnthropicWire(http),
            "google": GoogleWire(http),
            "vertex": VertexWire(http, VertexCredentials(http, egress)),
        }
        messages = MessagesWire(http)
        natives: dict[tuple[str, str], NativeWire] = {
            ("messages", "anthropic"): messages,
            ("responses", "openai"): ResponsesWire(http),
            ("completions", "openai"): TextCompletionsWire(http),
        }
        embedder = Embedder(directory, wires, admission, usage, _platform_embedder(settings))
        answers = RedisAnswerCache(link)
        cache = SemanticCache(
            answers,
            embedder,
            CacheFeedback(RedisCacheBook(link)),
            load_prices(),
            embedding_seconds=settings.cache_embedding_seconds,
            spawn=runtime.spawn,
        )
        subscriptions = Subscriptions(settings.nats_url.get_secret_value())
        subscriptions.on("provider.updated", lambda event: directory.forget(event.tenant_id or ""))
        subscriptions.on("quota.changed", lambda _: limits.wake())
        subscriptions.on("tenant.updated", lambda event: runtime.forget_tenant(event.tenant_id or ""))
        tasks = [
            asyncio.create_task(spool.replay_for_ever(meter.replay), name="spool-replay"),
            asyncio.create_task(subscriptions.run(), name="subscriptions"),
            asyncio.create_task(limits.follow(), name="limits"),
            asyncio.create_task(meter.keep(), name="reservations"),
            asyncio.create_task(answers.keep(), name="cache-counts"),
        ]
        try:
            yield Gateway(
                Completions(
                    directory,
                    wires,
                    cache,
                    admission=admission,
                    usage=usage,
                    contents=contents,
                    compressor=CompressionProcess(process),
                    spawn=runtime.spawn,
                    natives=natives,
                ),
                embedder,
                TokenCounts(directory, {"anthropic": messages}),
                ModelCatalogue(directory),
                runtime.tenants,
            )
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await process.close()
            await link.close()


def _platform_embedder(settings: Settings) -> Provider | None:
    """What embeds for tenants that have no embedding model."""
    if not (settings.cache_embedder_url and settings.cache_embedder_model):
        return None
    key = settings.cache_embedder_key.get_secret_value() if settings.cache_embedder_key else ""
    url = settings.cache_embedder_url.rstrip("/")
    return Provider("platform", "openai", url, key, embedding_model=settings.cache_embedder_model)
