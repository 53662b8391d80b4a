"""The scripts that back Postgres up in Compose, against a real server: encrypted, whole, to a point in time."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import asyncpg
import pytest

from local.compose.render import FOLDER
from tests.integration.platform.postgres import USER, Postgres, free_port, postgres_server
from tests.integration.stateful.nats.waiting import eventually

MARK = "a sentence that must not be readable"


@dataclass(frozen=True)
class Backups:
    """A server that archives, and the folder that it archives to."""

    server: Postgres
    folder: Path

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    def script(self, name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.server.programs}:{os.defpath}",
            "LC_ALL": "C",
            "ARCHIVE": str(self.archive),
            "BACKUP_KEY": str(self.folder / "key"),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.server.port),
            "PGUSER": "postgres",
            "PGPASSWORD": self.server.password,
            **variables,
        }
        return subprocess.run(
            ["sh", str(self.folder / "scripts" / name), *arguments],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            user=USER,
            group=USER,
            extra_groups=None if USER is None else [],
        )


@pytest.fixture(scope="module")
def backups() -> Iterator[Backups]:
    folder = Path(mkdtemp(prefix="dcoder-backups-"))
    try:
        shutil.copytree(FOLDER / "config" / "postgres", folder / "scripts")
        (folder / "key").write_text("a key of the tests")
        (folder / "archive").mkdir()
        for path in (folder, folder / "archive", folder / "key"):
            if USER is not None:
                os.chown(path, USER, USER)
        command = f"ARCHIVE={folder}/archive BACKUP_KEY={folder}/key sh {folder}/scripts/archive.sh %p %f"
        options = f"-c wal_level=replica -c archive_mode=on -c archive_command='{command}'"
        with postgres_server(options) as server:
            backups = Backups(server, folder)
            first = backups.script("backup.sh")
            assert first.returncode == 0, first.stderr
            yield backups
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def test_what_was_there_at_a_moment_comes_back(backups: Backups) -> None:
    session = await asyncpg.connect(backups.server.url())
    await session.execute("CREATE TABLE said (what text)")
    await session.execute("INSERT INTO said VALUES ($1)", MARK)
    done = backups.script("backup.sh")
    assert done.returncode == 0, done.stderr
    await session.execute("INSERT INTO said VALUES ('after the backup')")
    moment = await session.fetchval("SELECT clock_timestamp()::text")
    await session.execute("INSERT INTO said VALUES ('too late')")
    last = await session.fetchval("SELECT pg_walfile_name(pg_switch_wal())")
    await eventually((backups.archive / "wal" / f"{last}.enc").exists)
    await session.close()

    restored = backups.folder / "restored"
    done = backups.script("restore.sh", str(restored), moment)
    assert done.returncode == 0, done.stderr
    port = free_port()
    listen = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c archive_mode=off"
    backups.server.run("pg_ctl", "-D", str(restored), "-w", "-l", f"{restored}.log", "-o", listen, "start")
    try:
        session = await asyncpg.connect(backups.server.url().replace(str(backups.server.port), str(port)))

        async def serves() -> bool:
            return not await session.fetchval("SELECT pg_is_in_recovery()")

        await eventually(serves)
        assert [row["what"] for row in await session.fetch("SELECT what FROM said")] == [MARK, "after the backup"]
        await session.close()
    finally:
        backups.server.run("pg_ctl", "-D", str(restored), "-m", "immediate", "stop")


def test_nothing_in_the_archive_can_be_read_without_the_key(backups: Backups) -> None:
    kept = [path for path in backups.archive.rglob("*") if path.is_file()]
    assert {path.parent.name for path in kept} == {"base", "wal"}
    assert all(path.read_bytes().startswith(b"Salted__") and MARK.encode() not in path.read_bytes() for path in kept)
    other = backups.folder / "other-key"
    other.write_text("another key")
    other.chmod(0o644)
    done = backups.script("restore.sh", str(backups.folder / "wrong"), BACKUP_KEY=str(other))
    assert done.returncode != 0


def test_a_log_file_is_kept_once_and_never_replaced(backups: Backups) -> None:
    file = backups.folder / "archive" / "segment"
    for content, expected in (("one", 0), ("one", 0), ("two", 1)):
        file.write_text(content)
        file.chmod(0o644)
        assert backups.script("archive.sh", str(file), "000000010000000000000042").returncode == expected
    file.unlink()


def test_a_backup_that_fails_leaves_nothing_behind(backups: Backups) -> None:
    before = sorted(backups.archive.rglob("*"))
    done = backups.script("backup.sh", PGPORT=str(free_port()))
    assert done.returncode == 1
    assert "pg_basebackup failed" in done.stderr
    assert sorted(backups.archive.rglob("*")) == before


def test_a_restore_refuses_what_it_would_spoil_and_what_it_has_not(backups: Backups) -> None:
    full = backups.script("restore.sh", str(backups.archive))
    assert "is not empty" in full.stderr
    early = backups.script("restore.sh", str(backups.folder / "early"), "2001-01-01 00:00:00+00")
    assert "no backup before" in early.stderr
    assert full.returncode == early.returncode == 1
