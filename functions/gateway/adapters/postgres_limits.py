"""The tenants' limits as the platform context publishes them. Who has none costs a look into a dictionary."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import asyncpg

from functions.gateway.core.quota import NO_LIMITS, Limit, TenantLimits
from functions.kit.database import Databases
from functions.kit.errors import DcoderError
from functions.kit.stale_cache import StaleCache

_EVERY_SECONDS = 1.0
# Changes are noticed by their version; age matters only to how late a lost counter begins anew.
_FRESH_SECONDS = 60.0
_NEWEST = "SELECT coalesce(max(version), 0) FROM runtime.quota_sets"
_CHANGED = "SELECT tenant_id::text, version, size FROM runtime.quota_sets WHERE version > $1"
_LIMITS = """
    SELECT tenant_id::text, id::text, subject_kind, subject_id, metric, period, maximum, hard, thresholds,
           mirrored, mirrored_since
    FROM runtime.quotas WHERE tenant_id::text = $1
"""

_logger = logging.getLogger(__name__)


class PostgresLimitDirectory:
    """Port `LimitDirectory`: from memory, at most about a second behind; while the database is away, as known last.

    Args:
        stale: seconds for which limits known before still hold while the database is away.
        every: seconds between looks at the database.
    """

    def __init__(self, databases: Databases, *, stale: float, every: float = _EVERY_SECONDS) -> None:
        self._databases = databases
        self._every = every
        self._newest = -1
        self._limited: set[str] = set()
        self._loads: StaleCache[str, TenantLimits] = StaleCache(self._load, fresh=_FRESH_SECONDS, stale=stale)
        self._looks: StaleCache[str, int] = StaleCache(self._look, fresh=0)
        self._changed = asyncio.Event()
        self._are_there = asyncio.Event()

    async def limits(self, tenant_id: str) -> TenantLimits:
        """All limits of a tenant.

        Raises:
            DependencyUnavailable: the database is away and the tenant's limits are not known from before.
        """
        if self._newest < 0:
            await self._looks.get("limits")
        return await self._loads.get(tenant_id) if tenant_id in self._limited else NO_LIMITS

    async def wait_for_any(self) -> None:
        """Wait until some tenant has limits, as `follow` finds out."""
        await self._are_there.wait()

    def wake(self) -> None:
        """Something changed: look now."""
        self._changed.set()

    async def follow(self) -> None:
        """Look for changes again and again, and at once when woken, until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._looks.get("limits")
            except (DcoderError, asyncpg.PostgresError) as error:
                _logger.debug("limits cannot be read; those known last go on", exc_info=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._changed.wait()

    async def _look(self, _: str) -> int:
        """Find out whose limits changed. Versions are given out in the order of commits."""
        async with self._databases.acquire() as connection:
            newest: int = await connection.fetchval(_NEWEST)
            if newest == self._newest:
                return newest
            # Older than what was seen: the database was restored from a backup, so begin anew.
            since = self._newest if newest > self._newest else -1
            rows = await connection.fetch(_CHANGED, since)
        if since < 0:
            self._limited.clear()
            self._loads.forget_all()
        for row in rows:
            (self._limited.add if row["size"] else self._limited.discard)(row["tenant_id"])
            self._loads.forget(row["tenant_id"])
        if self._limited:
            self._are_there.set()
        self._newest = max([0, since, *(row["version"] for row in rows)])
        return self._newest

    async def _load(self, tenant_id: str) -> TenantLimits:
        async with self._databases.acquire() as connection:
            rows = await connection.fetch(_LIMITS, tenant_id)
        return TenantLimits(_limit(dict(row)) for row in rows)


def _limit(row: Mapping[str, Any]) -> Limit:
    return Limit(
        tenant_id=row["tenant_id"],
        id=row["id"],
        subject_kind=row["subject_kind"],
        subject_id=row["subject_id"],
        metric=row["metric"],
        window=row["period"],
        maximum=row["maximum"],
        hard=row["hard"],
        thresholds=tuple(row["thresholds"]),
        mirrored=row["mirrored"] or 0,
        mirrored_since=row["mirrored_since"],
    )
