"""The composition root of what goes through all databases by the clock, and of the look at backups."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from functions.kit.database import Databases, UnitOfWork
from functions.kit.database_directory import every_database
from functions.kit.objects import ObjectStorage
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.platform.adapters.backup_records import backup_records
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_alerts import PostgresAlerts
from functions.platform.adapters.postgres_archive import PostgresArchive
from functions.platform.adapters.postgres_databases import PostgresOldRows, PostgresOutboxes
from functions.platform.core.alerts import RaiseAlerts
from functions.platform.core.backups import CheckBackups, JudgeBackups, Limits
from functions.platform.core.housekeeping import Ages, Housekeeping
from functions.platform.core.outbox_sweep import OutboxSweep


@dataclass(frozen=True, slots=True)
class Sweeps:
    """The use cases."""

    housekeeping: Housekeeping
    outboxes: OutboxSweep


@asynccontextmanager
async def sweeps(runtime: Runtime) -> AsyncIterator[Sweeps]:
    """Wire them."""
    settings = runtime.settings
    ages = Ages(timedelta(days=settings.outbox_published_days), timedelta(days=settings.handled_events_days))
    async with every_database(runtime) as (each, databases):
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
