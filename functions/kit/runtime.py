"""What a process shares among the functions it hosts: connections, verified keys, health. Opened once, closed once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from functions.kit.audit_trail import AuditTrail
from functions.kit.authentication import ApiKeys, Authenticator, JwksCache, Tokens
from functions.kit.data_keys import PostgresDataKeys
from functions.kit.database import Databases
from functions.kit.draining import seconds_left
from functions.kit.health import Health
from functions.kit.idempotency import Idempotency
from functions.kit.members import MemberDirectory
from functions.kit.objects import ObjectStorage
from functions.kit.oidc import Client, OidcProvider
from functions.kit.origins import Origins, is_loopback
from functions.kit.secrets import FileKeyManagement, SecretBox
from functions.kit.service_tokens import ServiceTokens
from functions.kit.session_store import SessionStore
from functions.kit.sessions import Sessions
from functions.kit.settings import Settings, load_settings
from functions.kit.tenancy import TenantDatabaseCredentials, TenantDirectory

if TYPE_CHECKING:
    import redis.asyncio

Wiring = TypeVar("Wiring")
Wire = Callable[["Runtime"], AbstractAsyncContextManager[Wiring]]

_LAST_WORDS_SECONDS = 5.0
_logger = logging.getLogger(__name__)


class Runtime:
    """The process's shared parts. Nothing connects before it is used, so a dependency may be away at start."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.health = Health()
        self.http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=30, connect=5), trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        self.objects = ObjectStorage(settings)
        self._platform = self._pools(settings, 1)
        self.key_management = FileKeyManagement(settings.kek_file)
        self.data_keys = PostgresDataKeys(self._platform, self.key_management)
        self.secrets = SecretBox(self.data_keys)
        self.databases = self._pools(
            settings, settings.database_pools, TenantDatabaseCredentials(self._platform, self.secrets)
        )
        caching = {"fresh": settings.api_key_cache_seconds, "stale": settings.api_key_stale_seconds}
        self.tenants = TenantDirectory(self.databases, **caching)
        self.members = MemberDirectory(self.databases, **caching)
        self.service_tokens = ServiceTokens(
            settings.service_keys_file,
            self.tenants,
            platform_id=settings.platform_id,
            tenant_claim=settings.oidc_tenant_claim,
        )
        self.tokens = Tokens(
            JwksCache(self.http, settings.oidc_jwks_url),
            self.tenants,
            self.members,
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            roles_claim=settings.oidc_roles_claim,
            tenant_claim=settings.oidc_tenant_claim,
        )
        self.identity = _identity_provider(settings, self.http)
        self.sessions = _sessions(settings, lambda: self.redis, self.identity, self.tokens)
        self.authenticator = Authenticator(
            ApiKeys(self.databases, **caching), self.tokens, self.service_tokens, self.sessions
        )
        self.idempotency = Idempotency(self.databases)
        self.audit = AuditTrail(self.databases)
        self.health.add("postgres", self._ask_postgres, required=False)
        self.health.add("redis", self._ask_redis, required=False)
        self._wirings: dict[Any, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()
        self._wiring_lock = asyncio.Lock()

    @cached_property
    def redis(self) -> "redis.asyncio.Redis":
        """A client; imported at its first use, because calls of models need none."""
        return _redis(self.settings)

    async def wired(self, wire: Wire[Wiring]) -> Wiring:
        """A context's composition root, made at its first use and shared by the context's functions."""
        if wire not in self._wirings:
            async with self._wiring_lock:
                if wire not in self._wirings:
                    self._wirings[wire] = await self._stack.enter_async_context(wire(self))
        wiring: Wiring = self._wirings[wire]
        return wiring

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something in the background; it is logged if it fails and awaited before the process ends."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def forget_tenant(self, tenant_id: str) -> None:
        """Something about a tenant changed: ask for it and for the API keys again at their next use."""
        self.tenants.forget(tenant_id)
        self.forget_credentials()

    def forget_credentials(self) -> None:
        """A key or a user changed: ask for all of them again at their next use."""
        self.members.forget_all()
        self.authenticator.forget_all()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            _logger.error("background work failed", extra={"task": task.get_name()}, exc_info=task.exception())

    async def close(self) -> None:
        """Finish background work and close every connection."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds_left(self.settings.drain_seconds))
            for task in late:
                task.cancel()
            if late:
                # What they have to say on their way out is said over the connections that are closed next.
                await asyncio.wait(late, timeout=_LAST_WORDS_SECONDS)
        await self._stack.aclose()
        await self.audit.close()
        await self.objects.close()
        await self.http.close()
        if "redis" in vars(self):
            await self.redis.aclose()
        await self.databases.close()
        await self._platform.close()

    async def _ask_postgres(self) -> None:
        async with self._platform.acquire() as connection:
            await connection.fetchval("SELECT 1")

    async def _ask_redis(self) -> None:
        await self.redis.ping()

    @staticmethod
    def _pools(settings: Settings, pools: int, credentials: TenantDatabaseCredentials | None = None) -> Databases:
        return Databases(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool_size if credentials else 2,
            pools=pools,
            timeout=settings.database_timeout_seconds,
            credentials=credentials,
        )


def _redis(settings: Settings) -> "redis.asyncio.Redis":
    import redis.asyncio
    from redis.asyncio.retry import Retry
    from redis.backoff import ExponentialBackoff

    return redis.asyncio.Redis.from_url(
        settings.redis_url.get_secret_value(),
        protocol=2,
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_timeout_seconds,
        retry=Retry(ExponentialBackoff(base=0.01, cap=0.1), 1),
        health_check_interval=15,
    )


def _identity_provider(settings: Settings, http: aiohttp.ClientSession) -> OidcProvider:
    secret = settings.oidc_client_secret
    client = Client(settings.oidc_client_id, secret.get_secret_value() if secret else "")
    return OidcProvider(http, settings.oidc_issuer, client, settings.oidc_audience)


def _sessions(
    settings: Settings, client: "Callable[[], redis.asyncio.Redis]", provider: OidcProvider, tokens: Tokens
) -> Sessions:
    store = SessionStore(
        client, idle_seconds=settings.session_idle_seconds, lifetime_seconds=settings.session_lifetime_seconds
    )
    return Sessions(
        store,
        provider,
        Origins.of(settings.public_url, settings.auth_origins),
        read_claims=tokens.claims,
        # Plain HTTP is for one machine: anywhere else a browser must not be given a cookie that it sends in the clear.
        secure=urlsplit(settings.public_url).scheme != "http" or not is_loopback(settings.public_url),
    )


class _Shared:
    """The runtime that all functions hosted by this process share."""

    runtime: Runtime | None = None
    users = 0


@asynccontextmanager
async def shared_runtime() -> AsyncIterator[Runtime]:
    """The process's runtime: opened by the first function that starts, closed by the last that stops."""
    if _Shared.runtime is None:
        _Shared.runtime = Runtime(load_settings())
    _Shared.users += 1
    runtime = _Shared.runtime
    try:
        yield runtime
    finally:
        _Shared.users -= 1
        if not _Shared.users:
            _Shared.runtime = None
            await runtime.close()
