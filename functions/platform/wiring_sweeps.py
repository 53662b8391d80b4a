"""The composition root of what goes through all databases by the clock, and of the look at backups."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from functions.kit.database import Databases, UnitOfWork
from functions.kit.objects import ObjectStorage
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.kit.tenancy import TenantDatabaseCredentials
from functions.platform.adapters.backup_records import backup_records
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_alerts import PostgresAlerts
from functions.platform.adapters.postgres_archive import PostgresArchive
from functions.platform.adapters.postgres_databases import PostgresDirectory, PostgresOldRows, PostgresOutboxes
from functions.platform.core.alerts import RaiseAlerts
from functions.platform.core.backups import CheckBackups, JudgeBackups, Limits
from functions.platform.core.each_database import EachDatabase
from functions.platform.core.housekeeping import Ages, Housekeeping
from functions.platform.core.outbox_sweep import OutboxSweep

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Sweeps:
    """The use cases."""

    housekeeping: Housekeeping
    outboxes: OutboxSweep


@asynccontextmanager
async def sweeps(runtime: Runtime) -> AsyncIterator[Sweeps]:
    """Wire them. Their connections are their own, and few: no request waits for one of a night's work."""
    settings = runtime.settings
    databases = Databases(
        settings.database_url.get_secret_value(),
        pool_size=2,
        pools=_AT_ONCE + 1,
        timeout=settings.database_timeout_seconds,
        credentials=TenantDatabaseCredentials(runtime.databases, runtime.secrets),
    )
    each = EachDatabase(PostgresDirectory(databases), at_once=_AT_ONCE)
    ages = Ages(timedelta(days=settings.outbox_published_days), timedelta(days=settings.handled_events_days))
    try:
        yield Sweeps(
            Housekeeping(each, PostgresOldRows(databases), ages),
            OutboxSweep(
                each,
                PostgresOutboxes(databases),
                RaiseAlerts(PostgresAlerts(), OutboxEvents()),
                lambda: UnitOfWork(runtime.databases),
                limit=settings.outbox_stuck_seconds,
            ),
        )
    finally:
        await databases.close()


@asynccontextmanager
async def backup_check(runtime: Runtime) -> AsyncIterator[CheckBackups]:
    """Wire the look at backups."""
    judge = judging(runtime.settings, runtime.databases, runtime.objects)
    raise_alerts = RaiseAlerts(PostgresAlerts(), OutboxEvents())
    yield CheckBackups(judge, raise_alerts, lambda: UnitOfWork(runtime.databases))


def judging(
    settings: Settings, databases: Databases, objects: ObjectStorage, *, patience: float = 75.0
) -> JudgeBackups:
    """What the settings say there should be of backups, and what there is."""
    limits = Limits(timedelta(hours=settings.backup_hours), timedelta(seconds=settings.archive_seconds))
    records = backup_records(settings.backups, objects)
    return JudgeBackups(PostgresArchive(databases), records, limits, patience=patience)
