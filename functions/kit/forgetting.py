"""Keeps a process from trusting its memory of tenants, users and keys once an event says that they changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import Context

from functions.kit.runtime import Runtime
from functions.kit.subjects import GroupUpdated, KeyRevoked, KeyRotated, TenantUpdated, UserUpdated
from functions.kit.subscriptions import Subscriptions


@asynccontextmanager
async def forgetting(runtime: Runtime) -> AsyncIterator[None]:
    """Forget within the block what events say has changed. While NATS is away the age of what is kept is the limit."""
    subscriptions = Subscriptions(runtime.settings.nats_url.get_secret_value())
    subscriptions.on(TenantUpdated.subject, lambda event: runtime.forget_tenant(event.tenant_id or ""))
    for kind in (KeyRotated, KeyRevoked, UserUpdated, GroupUpdated):
        subscriptions.on(kind.subject, lambda _: runtime.forget_credentials())
    task = asyncio.create_task(subscriptions.run(), name="forgetting", context=Context())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
