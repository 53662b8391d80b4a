"""Every tenant's policies, in memory and at most about a second behind the database."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import Context

import asyncpg
import orjson
from pydantic import ValidationError

from functions.kit.database import Databases
from functions.kit.errors import DcoderError, DependencyUnavailable, Internal
from functions.kit.policies.documents import PolicyDocument
from functions.kit.policies.lru import Lru
from functions.kit.policies.policy_set import PolicySet
from functions.kit.runtime import Runtime
from functions.kit.stale_cache import StaleCache
from functions.kit.subjects import PolicyUpdated
from functions.kit.subscriptions import Subscriptions

_EVERY_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0
_MOST_SETS = 1_000
_PLATFORM = None
_NEWEST = "SELECT coalesce(max(version), 0) FROM runtime.policies"
_CHANGED = "SELECT tenant_id::text, version, document::text FROM runtime.policies WHERE version > $1"

_logger = logging.getLogger(__name__)


class PolicyDirectory:
    """Knows all that was added to the default policies; what was known last goes on while the database is away.

    Args:
        every: seconds between looks at the database.
    """

    def __init__(self, databases: Databases, *, every: float = _EVERY_SECONDS) -> None:
        self._databases = databases
        self._every = every
        self._documents: dict[str | None, str] = {}
        self._version = -1
        self._sets: Lru[str | None, PolicySet] = Lru(_MOST_SETS)
        self._loads: StaleCache[str, int] = StaleCache(self._load, fresh=0)
        self._changed = asyncio.Event()

    async def of(self, tenant_id: str) -> PolicySet:
        """The policies that hold for a tenant.

        Raises:
            DependencyUnavailable: the database is away and was never reached.
        """
        if self._version < 0:
            await self._loads.get("policies")
        owner = tenant_id if tenant_id in self._documents else _PLATFORM
        return self._sets.get(owner) or self._sets.put(owner, self._compiled(owner))

    def wake(self) -> None:
        """Something changed: look now."""
        self._changed.set()

    async def follow(self) -> None:
        """Look for changes again and again, and at once when woken, until cancelled."""
        away = False
        while True:
            self._changed.clear()
            try:
                await self._loads.get("policies")
                away = False
            except (DcoderError, asyncpg.PostgresError) as error:
                if not away:
                    _logger.warning("policies cannot be read; those known last go on", exc_info=error)
                away = True
            # Not wait_for: on Python 3.11 it forgets that it was cancelled when it is woken in the same turn.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._changed.wait()

    async def _load(self, _: str) -> int:
        """Read what changed. Versions are given out in the order of commits: what is new is above what was seen."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._databases.acquire() as connection:
                newest = await connection.fetchval(_NEWEST)
                if newest == self._version:
                    return self._version
                # Older than what was seen: the database was restored from a backup, so begin anew.
                since = self._version if newest > self._version else -1
                rows = await connection.fetch(_CHANGED, since)
        except TimeoutError as error:
            raise DependencyUnavailable("the database is slow", details={"dependency": "postgres"}) from error
        if since < 0:
            self._documents.clear()
        self._documents.update({row["tenant_id"]: row["document"] for row in rows})
        if since < 0 or any(row["tenant_id"] is _PLATFORM for row in rows):
            self._sets.clear()
        for row in rows:
            self._sets.drop(row["tenant_id"])
        self._version = max([0, since, *(row["version"] for row in rows)])
        return self._version

    def _compiled(self, owner: str | None) -> PolicySet:
        try:
            return PolicySet(self._document(_PLATFORM), None if owner is _PLATFORM else self._document(owner))
        except ValidationError as error:
            # A newer program wrote it: to leave out what is not understood could be to leave out a denial.
            raise Internal(f"the policies of {owner or 'the platform'} cannot be read") from error

    def _document(self, owner: str | None) -> PolicyDocument | None:
        text = self._documents.get(owner)
        return PolicyDocument.model_validate(orjson.loads(text)) if text else None


@asynccontextmanager
async def following(runtime: Runtime) -> AsyncIterator[PolicyDirectory]:
    """The process's directory, kept up to date within the block by events and by looking.

    It has a connection of its own: policies change at once even where requests have taken all others.
    """
    settings = runtime.settings
    databases = Databases(settings.database_url.get_secret_value(), pool_size=1, pools=1, timeout=_PATIENCE_SECONDS)
    directory = PolicyDirectory(databases)
    subscriptions = Subscriptions(settings.nats_url.get_secret_value())
    subscriptions.on(PolicyUpdated.subject, lambda _: directory.wake())
    # A context of their own: they outlive the request that happens to be the first.
    tasks = [
        asyncio.create_task(directory.follow(), name="policies", context=Context()),
        asyncio.create_task(subscriptions.run(), name="policy-events", context=Context()),
    ]
    try:
        yield directory
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await databases.close()
