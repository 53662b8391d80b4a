"""What is looked for and deleted by the clock in every database, beside a real relay."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from functions.kit.clock import utc_now
from functions.kit.database import Databases, UnitOfWork
from functions.kit.database_directory import PostgresDirectory
from functions.kit.each_database import EachDatabase
from functions.kit.errors import DependencyUnavailable
from functions.platform.adapters.backup_records import FolderBackups
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_alerts import PostgresAlerts
from functions.platform.adapters.postgres_archive import PostgresArchive
from functions.platform.adapters.postgres_databases import PostgresOldRows, PostgresOutboxes
from functions.platform.core.alerts import RaiseAlerts
from functions.platform.core.backups import ARCHIVE_KEY, BACKUP_KEY, CheckBackups, JudgeBackups, Limits
from functions.platform.core.housekeeping import Ages, Housekeeping
from functions.platform.core.outbox_sweep import KEY, OutboxSweep
from stateful.nats.connection import Bus
from stateful.nats.relay.outbox import Outbox, PlatformOutbox
from tests.integration.stateful.nats.databases import PlatformDatabase, credentials
from tests.integration.stateful.nats.running import Running, event_of
from tests.integration.stateful.nats.test_outbox import UNHURRIED, relay_tenants
from tests.integration.stateful.nats.waiting import eventually

AGES = Ages(timedelta(days=7), timedelta(days=45))
EVENTS = """
    INSERT INTO outbox (id, subject, payload, created_at, published_at)
    SELECT gen_random_uuid(), 'tenant.updated', '{}', now() - interval '8 days', now() - $2::interval
    FROM generate_series(1, $1)
"""
HANDLED = """
    INSERT INTO handled_events (source, id, function, handled_at)
    SELECT '/test', gen_random_uuid(), 'f', now() - $2::interval FROM generate_series(1, $1)
"""
ANSWERS = """
    INSERT INTO idempotency_keys (scope, key, fingerprint, state, created_at, locked_until)
    SELECT 'test', gen_random_uuid(), '', 'done', now() - $2::interval, now() FROM generate_series(1, $1)
"""
HOLD = """
    SELECT id FROM outbox WHERE published_at < now() - interval '7 days' ORDER BY id DESC LIMIT 1 FOR UPDATE
"""
WAITS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
END = f"SELECT pg_terminate_backend(pid, 10000) FROM ({WAITS})"  # noqa: S608 - words of this test
OLD = "UPDATE outbox SET created_at = now() - interval '1 hour'"
PROCESS = """
import asyncio, sys
from datetime import timedelta
from functions.kit.database import Databases
from functions.platform.adapters.postgres_databases import PostgresOldRows
from functions.platform.core.housekeeping import Ages

async def main():
    rows = PostgresOldRows(Databases(sys.argv[1]), at_once=10)
    await rows.forget("platform", Ages(timedelta(days=7), timedelta(days=45)))

asyncio.run(main())
"""


@dataclass(frozen=True)
class House:
    """The use cases on a database of one test."""

    database: PlatformDatabase
    databases: Databases
    each: EachDatabase

    @property
    def housekeeping(self) -> Housekeeping:
        return Housekeeping(self.each, PostgresOldRows(self.databases, at_once=20), AGES)

    def sweep(self, *, patience: float) -> OutboxSweep:
        return OutboxSweep(
            self.each,
            PostgresOutboxes(self.databases),
            RaiseAlerts(PostgresAlerts(), OutboxEvents()),
            lambda: UnitOfWork(self.databases),
            limit=300,
            patience=patience,
            look_every=0.02,
        )

    async def alert(self, key: str = KEY) -> "asyncpg.Record | None":
        """The one that is not resolved."""
        query = "SELECT severity, title, details::text FROM alerts WHERE key = $1 AND status <> 'resolved'"
        return await self.database.connection.fetchrow(query, key)

    async def count(self, table: str, tenant: str = "") -> int:
        query = f"SELECT count(*) FROM {table}"  # noqa: S608 - a word of this test
        async with self.databases.acquire(tenant or "platform") as session:
            return int(await session.fetchval(query))


@pytest_asyncio.fixture
async def house(database: PlatformDatabase) -> AsyncIterator[House]:
    databases = Databases(database.url, pool_size=2, pools=3, credentials=credentials)
    # Pages of two: a third tenant is on another one.
    yield House(database, databases, EachDatabase(PostgresDirectory(databases), at_once=2, page=2))
    await databases.close()


async def test_old_rows_go_everywhere_and_others_stay(house: House) -> None:
    tenants = [await house.database.add_tenant() for _ in range(3)]
    suspended, half_made = tenants[0], await house.database.add_tenant(with_database=False)
    update = "UPDATE tenants SET status = $2 WHERE database = $1"
    await house.database.connection.execute(update, suspended, "suspended")
    await house.database.connection.execute(update, half_made, "provisioning")
    for tenant in ("", *tenants):
        for statement, old, young in ((EVENTS, 8, 6), (HANDLED, 46, 44)):
            for age, rows in ((old, 50), (young, 5)):
                given = (rows, timedelta(days=age))
                await (
                    house.database.at(tenant, statement, *given)
                    if tenant
                    else house.database.connection.execute(statement, *given)
                )
    for age in (23, 25):
        await house.database.connection.execute(ANSWERS, 30, timedelta(hours=age))
    waiting = event_of()
    await house.database.emit(waiting)
    await house.database.connection.execute(
        "UPDATE outbox SET created_at = now() - interval '1 year' WHERE id = $1", waiting.id
    )

    assert await house.housekeeping() == 4 * 100 + 30
    assert await house.count("idempotency_keys") == 30
    # What was never published is never deleted, however old it is.
    assert await house.count("outbox") == 5 + 1
    for tenant in tenants:
        assert (await house.count("outbox", tenant), await house.count("handled_events", tenant)) == (5, 5)
    assert await house.housekeeping() == 0


async def test_one_broken_database_is_named_and_the_others_are_done(house: House) -> None:
    sound, lost, last = [await house.database.add_tenant(with_database=made) for made in (True, False, True)]
    for tenant in (sound, last):
        await house.database.at(tenant, EVENTS, 50, timedelta(days=8))
    with pytest.raises(DependencyUnavailable, match=f"1 of 4 databases: {lost}"):
        await house.housekeeping()
    assert [await house.count("outbox", tenant) for tenant in (sound, last)] == [0, 0]


async def test_a_database_that_is_away_altogether_is_a_503(house: House) -> None:
    nobody = Databases("postgresql://nobody@127.0.0.1:9/platform", timeout=2)
    each = EachDatabase(PostgresDirectory(nobody))
    with pytest.raises(DependencyUnavailable):
        await Housekeeping(each, PostgresOldRows(nobody), AGES)()
    await nobody.close()


async def test_a_run_that_is_killed_midway_is_finished_by_the_next(house: House) -> None:
    await house.database.connection.execute(EVENTS, 100, timedelta(days=8))
    await house.database.connection.execute(EVENTS, 7, timedelta(days=1))
    # Somebody holds the last row of them, so that the run gets as far as its page.
    holding = house.database.connection.transaction()
    await holding.start()
    await house.database.connection.execute(HOLD)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROCESS, house.database.url)

    async def waits() -> bool:
        async with house.databases.acquire() as session:
            return bool(await session.fetchval(WAITS))

    await eventually(waits, seconds=30)
    process.kill()
    await process.wait()
    # Of what it had in hand nothing has happened; pages before are done for good.
    await house.database.connection.execute(END)
    await holding.rollback()
    left = await house.count("outbox")
    assert 7 < left < 107
    assert await house.housekeeping() == left - 7
    assert await house.count("outbox") == 7


async def test_the_relay_is_told_of_what_it_has_missed(house: House, bus: Bus, running: Running) -> None:
    tenant = await house.database.add_tenant()
    outboxes = relay_tenants(running, house.database, bus, UNHURRIED)
    platform = PlatformOutbox(house.database.url, Outbox(bus, UNHURRIED), UNHURRIED, hint=outboxes.hint)
    running.task(platform.run())
    await eventually(lambda: outboxes.waiting()[0] == 0)
    # Nobody said that these are there, and the relay itself will not look for a minute.
    await house.database.emit(event_of())
    await house.database.emit(event_of(), tenant=tenant)
    await house.database.connection.execute(OLD)
    await house.database.at(tenant, OLD)
    await house.sweep(patience=30)()
    assert await house.database.published()
    assert await house.count("outbox WHERE published_at IS NULL", tenant) == 0
    assert await house.alert() is None


async def test_operators_hear_of_what_stays_with_its_database_and_age(house: House, bus: Bus, running: Running) -> None:
    tenant = await house.database.add_tenant()
    await house.database.emit(event_of(), tenant=tenant)
    await house.sweep(patience=0)()
    # It has not waited for long.
    assert await house.alert() is None
    await house.database.at(tenant, OLD)
    # No relay runs.
    await house.sweep(patience=0.1)()
    told: Any = await house.alert()
    assert told["severity"] == "critical"
    assert tenant in told["title"]
    assert '"seconds": 36' in told["details"]
    relay_tenants(running, house.database, bus)
    await house.sweep(patience=30)()
    assert await house.alert() is None


async def test_an_outbox_that_cannot_be_looked_into_is_told_until_it_can(house: House) -> None:
    await house.database.add_tenant()
    lost = await house.database.add_tenant(with_database=False)
    await house.sweep(patience=0)()
    told: Any = await house.alert()
    assert (told["severity"], lost in told["title"]) == ("warning", True)
    assert "InvalidCatalogName" in told["details"] or "does not exist" in told["details"]
    await house.database.connection.execute("DELETE FROM tenants WHERE database = $1", lost)
    await house.sweep(patience=0)()
    assert await house.alert() is None


async def test_backups_that_are_too_old_are_told_and_their_end(house: House, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    limits = Limits(timedelta(hours=36), timedelta(seconds=900))

    async def check(*records: FolderBackups) -> None:
        judge = JudgeBackups(PostgresArchive(house.databases), records, limits, patience=0)
        raise_alerts = RaiseAlerts(PostgresAlerts(), OutboxEvents())
        await CheckBackups(judge, raise_alerts, lambda: UnitOfWork(house.databases))()

    # This server archives nothing, and nobody says that there should be backups.
    await check()
    assert await house.alert(BACKUP_KEY) is await house.alert(ARCHIVE_KEY) is None
    places = FolderBackups(str(base))
    await check(places)
    told: Any = await house.alert(BACKUP_KEY)
    assert (told["severity"], told["title"]) == ("critical", f"{base}: there is no backup")
    told = await house.alert(ARCHIVE_KEY)
    assert "archive_mode is off" in told["title"]
    (base / f"{utc_now():%Y%m%dT%H%M%SZ}.tar.gz.enc").touch()
    await check(places)
    assert await house.alert(BACKUP_KEY) is None
    # What cannot be read is for the schedule to try again; it ends no alert and raises none.
    with pytest.raises(DependencyUnavailable, match="No such file"):
        await check(FolderBackups(str(tmp_path / "nowhere")))
    assert await house.alert(BACKUP_KEY) is None
    assert await house.alert(ARCHIVE_KEY)
    await check()
    assert await house.alert(ARCHIVE_KEY) is None
