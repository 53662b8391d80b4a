"""The context's composition root: settings in, use cases out."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp
import asyncpg

from functions.kit.catalogue import load_catalogue
from functions.kit.database import Databases, UnitOfWork
from functions.kit.egress import EgressPolicy
from functions.kit.errors import DcoderError
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.platform.adapters.edge_kong import KongEdgeAdmin, KongRates
from functions.platform.adapters.edge_nginx import NginxEdgeAdmin
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_api_keys import PostgresApiKeys
from functions.platform.adapters.postgres_providers import PostgresProviders, PostgresStoredProviders
from functions.platform.adapters.postgres_server import PostgresServer
from functions.platform.adapters.postgres_tenants import PostgresTenants
from functions.platform.adapters.postgres_usage import PostgresUsage
from functions.platform.adapters.provider_probe import HttpProber
from functions.platform.core.api_keys import NoteKeyUse
from functions.platform.core.edge import EdgeAdmin
from functions.platform.core.probe_provider import ProbeProvider
from functions.platform.core.providers import GetProviders, PutProviders
from functions.platform.core.provision_tenant import ClearAbandoned, ProvisionTenant
from functions.platform.core.sync_edge import SyncEdge
from functions.platform.core.tenants import GetTenant, ListTenants
from functions.platform.core.update_tenant import UpdateTenant
from functions.platform.core.usage import MirrorUsage, ReadUsage

_CLEAR_EVERY_SECONDS = 60.0
_PROVISIONING_SECONDS = 30.0
_PROVISIONING_CONNECTIONS = 4
# The host group of functions that call models.
_CALLS = "llm"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Platform:
    """The context's use cases."""

    provision_tenant: ProvisionTenant
    get_tenant: GetTenant
    list_tenants: ListTenants
    get_providers: GetProviders
    put_providers: PutProviders
    read_usage: ReadUsage
    mirror_usage: MirrorUsage
    sync_edge: SyncEdge
    update_tenant: UpdateTenant
    probe_provider: ProbeProvider
    note_key_use: NoteKeyUse


@asynccontextmanager
async def platform(runtime: Runtime) -> AsyncIterator[Platform]:
    """Wire the context; its connections and its background work end with the block."""
    settings = runtime.settings
    at_once = Databases(
        settings.database_url.get_secret_value(), pool_size=2, pools=1, timeout=settings.database_timeout_seconds
    )
    admin = _admin(settings)
    tenants, server, events = PostgresTenants(at_once), PostgresServer(admin), OutboxEvents()
    providers, usage = PostgresProviders(), PostgresUsage()
    edge = _edge(settings, runtime.http)
    egress = EgressPolicy.of(settings.egress_allow)
    session = _session(egress)
    tasks = []
    if admin is not None:
        clearing = _clear_for_ever(runtime.databases, ClearAbandoned(tenants, server))
        tasks.append(asyncio.create_task(clearing, name="clear-abandoned-tenants"))
    try:
        yield Platform(
            ProvisionTenant(tenants, server, runtime.key_management, runtime.secrets, events),
            GetTenant(tenants),
            ListTenants(tenants),
            GetProviders(tenants, providers),
            PutProviders(tenants, providers, runtime.secrets, egress, events),
            ReadUsage(tenants, usage),
            MirrorUsage(usage),
            SyncEdge(tenants, edge),
            UpdateTenant(tenants, events),
            ProbeProvider(PostgresStoredProviders(at_once), runtime.secrets, HttpProber(session, egress)),
            NoteKeyUse(PostgresApiKeys()),
        )
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await session.close()
        await at_once.close()
        if admin is not None:
            await admin.close()


def _session(egress: EgressPolicy) -> aiohttp.ClientSession:
    """For calls to providers, which go only where the egress policy lets them."""
    connector = aiohttp.TCPConnector(resolver=egress.resolver(), limit=20)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def _edge(settings: Settings, http: aiohttp.ClientSession) -> EdgeAdmin | None:
    if settings.kong_admin_url:
        rates = settings.kong_plan_rates
        redis = {
            "host": settings.kong_redis_host,
            "port": 6379,
            "timeout": 2000,
            "password": "{vault://env/dcoder-redis-password}",
        }
        callers = [function.name for function in load_catalogue().in_host(_CALLS)]
        token = settings.kong_admin_token.get_secret_value() if settings.kong_admin_token else ""
        return KongEdgeAdmin(
            http, settings.kong_admin_url, token, KongRates({"": min(rates.values()), **rates}, callers, redis)
        )
    return NginxEdgeAdmin(settings.edge_dir) if settings.edge_dir else None


def _admin(settings: Settings) -> Databases | None:
    if settings.database_admin_url is None:
        return None
    return Databases(
        settings.database_admin_url.get_secret_value(),
        pool_size=_PROVISIONING_CONNECTIONS,
        pools=1,
        timeout=_PROVISIONING_SECONDS,
    )


async def _clear_for_ever(databases: Databases, clear: ClearAbandoned) -> None:
    """Clear at the start, then every minute: a process that died midway cannot clear after itself."""
    while True:
        try:
            async with UnitOfWork(databases):
                await clear()
        except (DcoderError, asyncpg.PostgresError) as error:
            _logger.warning("abandoned tenants could not be cleared", exc_info=error)
        await asyncio.sleep(_CLEAR_EVERY_SECONDS)
