"""Whether backups are as they should be, asked of servers that archive, that cannot, and that do not."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import asyncpg
import pytest
import pytest_asyncio

from functions.kit.database import Databases
from functions.kit.errors import DependencyUnavailable
from functions.platform.adapters.backup_records import FolderBackups
from functions.platform.adapters.postgres_archive import PostgresArchive
from functions.platform.core.backups import BackupRecords, JudgeBackups, Limits, Verdict
from tests.integration.platform.postgres import USER, Postgres, postgres_server
from tests.integration.stateful.nats.waiting import eventually

LIMITS = Limits(timedelta(hours=36), timedelta(seconds=900))
AT_ONCE = Limits(timedelta(hours=36), timedelta())


@contextmanager
def archiving(command: str) -> Iterator[Postgres]:
    with postgres_server(f"-c wal_level=replica -c archive_mode=on -c archive_command='{command}'") as server:
        yield server


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(mkdtemp(prefix="dcoder-archive-"))
    if USER is not None:
        os.chown(path, USER, USER)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Postgres]:
    """Archives as long as there is a file `open`."""
    with archiving(f"test -e {folder}/open && cp %p {folder}/%f") as server:
        yield server


@pytest_asyncio.fixture
async def databases(server: Postgres) -> AsyncIterator[Databases]:
    session = await asyncpg.connect(server.url())
    # As the functions' role: no superuser, no monitor.
    await session.execute(
        "DO $$ BEGIN CREATE ROLE functions LOGIN PASSWORD 'secret'; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    await session.close()
    databases = Databases(server.url(user="functions", password="secret"), pool_size=1, pools=1)
    yield databases
    await databases.close()


def backup(folder: Path, age: timedelta) -> BackupRecords:
    base = folder / "base"
    base.mkdir(exist_ok=True)
    for path in base.iterdir():
        path.unlink()
    (base / f"{datetime.now(UTC) - age:%Y%m%dT%H%M%SZ}.tar.gz.enc").touch()
    # Not whole: it counts for none.
    (base / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz.enc.part").touch()
    return FolderBackups(str(base))


async def judged(databases: Databases, *records: BackupRecords, limits: Limits = LIMITS) -> Verdict:
    return await JudgeBackups(PostgresArchive(databases), records, limits, patience=0)()


async def switched(server: Postgres) -> None:
    """A file of the log is closed."""
    session = await asyncpg.connect(server.url())
    await session.execute("SELECT pg_logical_emit_message(false, 'test', 'something'); SELECT pg_switch_wal()")
    await session.close()


async def archived(server: Postgres) -> Mapping[str, int]:
    session = await asyncpg.connect(server.url())
    row = await session.fetchrow("SELECT archived_count, failed_count FROM pg_stat_archiver")
    await session.close()
    assert row is not None
    return {"kept": row["archived_count"], "failed": row["failed_count"]}


async def test_a_log_that_is_not_kept_is_told_until_it_is(server: Postgres, databases: Databases, folder: Path) -> None:
    recent = backup(folder, timedelta(hours=1))
    await switched(server)
    await switched(server)

    async def failed() -> bool:
        return (await archived(server))["failed"] > 0

    await eventually(failed, seconds=30)
    verdict = await judged(databases, recent)
    # It has not been so for long.
    assert (verdict.state, verdict.archive_fault) == ("good", "")
    verdict = await judged(databases, recent, limits=AT_ONCE)
    assert verdict.state == "failing"
    assert "2 files wait" in verdict.archive_fault
    assert "the last try failed, of 000000010000000000000001" in verdict.archive_fault
    (folder / "open").touch()
    # The archiver tries again when it is woken, which the next file does.
    await switched(server)

    async def kept() -> bool:
        return (await archived(server))["kept"] >= 3

    await eventually(kept, seconds=90)
    verdict = await judged(databases, recent, limits=AT_ONCE)
    assert (verdict.state, verdict.archive_fault, verdict.archiving.behind) == ("good", "", 0)


async def test_old_backups_and_none_at_all(databases: Databases, folder: Path) -> None:
    verdict = await judged(databases, backup(folder, timedelta(hours=40)))
    assert verdict.state == "failing"
    assert verdict.faults == [f"{folder}/base: the newest backup is 40 hours old"]
    for path in (folder / "base").iterdir():
        path.unlink()
    verdict = await judged(databases, FolderBackups(str(folder / "base")))
    assert verdict.faults == [f"{folder}/base: there is no backup"]


async def test_a_place_that_cannot_be_read_is_neither_well_nor_wrong(databases: Databases, folder: Path) -> None:
    verdict = await judged(databases, FolderBackups(str(folder / "nowhere")))
    assert (verdict.state, verdict.faults) == ("unknown", [])
    assert "No such file" in verdict.unread[0]


async def test_a_server_that_is_away_is_a_503() -> None:
    nobody = Databases("postgresql://nobody@127.0.0.1:9/platform", timeout=2)
    with pytest.raises(DependencyUnavailable):
        await judged(nobody)
    await nobody.close()


async def test_where_no_backups_are_configured_nothing_is_wrong() -> None:
    with postgres_server() as plain:
        databases = Databases(plain.url(), pool_size=1, pools=1)
        verdict = await judged(databases)
        assert (verdict.state, verdict.faults, verdict.archive_fault) == ("not configured", [], "")
        verdict = await judged(databases, FolderBackups("/nowhere"))
        assert "archive_mode is off" in verdict.archive_fault
        await databases.close()
