"""The composition root of flags: settings in, use cases out."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import asyncpg
from pydantic import SecretStr

from functions.kit.database import UnitOfWork
from functions.kit.egress import EgressPolicy
from functions.kit.errors import DcoderError, Unauthenticated
from functions.kit.flag_document import FlagDocument
from functions.kit.flag_registry import load_flags
from functions.kit.flags import Flags, feature_flags
from functions.kit.principal import Principal, is_api_key
from functions.kit.runtime import Runtime
from functions.platform.adapters.flags_flagsmith import FlagsmithFlags
from functions.platform.adapters.flags_flagsmith_admin import FlagsmithAdmin
from functions.platform.adapters.flags_postgres import (
    KnownTenants,
    OutboxFlagEvents,
    PostgresFlags,
    PostgresWebhooks,
    keep_document,
)
from functions.platform.adapters.flags_webhook_http import HttpWebhookSender
from functions.platform.core.flags import PutPlatformFlags, PutTenantFlags, ReadPlatformFlags, ReadTenantFlags
from functions.platform.core.flags_ports import FlagStore
from functions.platform.core.flags_sdk import OpenEnvironment, ServeSdk
from functions.platform.core.flags_webhooks import HearFlagsmith, ManageWebhook, PlatformTarget, SendFlagWebhook

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FlagPlatform:
    """The use cases of flags."""

    read_tenant: ReadTenantFlags
    put_tenant: PutTenantFlags
    read_platform: ReadPlatformFlags
    put_platform: PutPlatformFlags
    webhook: ManageWebhook
    send_webhook: SendFlagWebhook
    hear_flagsmith: HearFlagsmith
    open_environment: OpenEnvironment
    sdk: ServeSdk
    flags: Flags


@asynccontextmanager
async def flag_platform(runtime: Runtime) -> AsyncIterator[FlagPlatform]:
    """Wire flags; what follows their source in the background ends with the block."""
    settings = runtime.settings
    registry = load_flags(settings.flags_file)
    policy = EgressPolicy.of(settings.egress_allow)
    async with AsyncExitStack() as stack:
        flags = await stack.enter_async_context(feature_flags(runtime))
        connector = aiohttp.TCPConnector(resolver=policy.resolver(), limit=20)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        )
        store = _store(runtime, flags)
        tenants, events = KnownTenants(runtime.tenants), OutboxFlagEvents()
        webhooks, sender = PostgresWebhooks(runtime.secrets), HttpWebhookSender(session, policy)
        platform = PlatformTarget(settings.flags_webhook_url, _plain(settings.flags_webhook_secret))
        yield FlagPlatform(
            read_tenant=ReadTenantFlags(tenants, store),
            put_tenant=PutTenantFlags(tenants, store, events),
            read_platform=ReadPlatformFlags(store),
            put_platform=PutPlatformFlags(store, events),
            webhook=ManageWebhook(tenants, webhooks, sender),
            send_webhook=SendFlagWebhook(
                webhooks, sender, registry, platform=platform, environment=settings.platform_id
            ),
            hear_flagsmith=HearFlagsmith(flags, events, _plain(settings.flagsmith_webhook_secret)),
            open_environment=OpenEnvironment(_verifier(runtime), _plain(settings.flags_sdk_key)),
            sdk=ServeSdk(flags),
            flags=flags,
        )


def _store(runtime: Runtime, flags: Flags) -> FlagStore:
    settings = runtime.settings
    if not settings.flagsmith_url:
        return PostgresFlags(load_flags(settings.flags_file), settings.platform_id, flags)
    flags.on_change(lambda document: runtime.spawn(_keep(runtime, document), "keep-flags"))
    admin = FlagsmithAdmin(runtime.http, settings.flagsmith_url, _plain(settings.flagsmith_admin_key))
    return FlagsmithFlags(admin, flags)


async def _keep(runtime: Runtime, document: FlagDocument) -> None:
    try:
        async with UnitOfWork(runtime.databases):
            await keep_document(document)
    except (DcoderError, asyncpg.PostgresError) as error:
        _logger.info("the flags could not be kept for later", exc_info=error)


def _verifier(runtime: Runtime) -> Callable[[str], Awaitable[Principal]]:
    async def verify(key: str) -> Principal:
        if not is_api_key(key):
            raise Unauthenticated("the environment key is not valid")
        return await runtime.authenticator.authenticate({"x-api-key": key}, method="GET")

    return verify


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
