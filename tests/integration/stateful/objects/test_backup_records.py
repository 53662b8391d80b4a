"""What Barman leaves of base backups, read from a real store."""

import uuid
from datetime import UTC, datetime

import pytest

from functions.kit.errors import DependencyUnavailable
from functions.kit.objects import ObjectStorage
from functions.platform.adapters.backup_records import backup_records
from stateful.objects.sync import synchronise
from tests.integration.stateful.objects.conftest import Store

PLACE = "backups/postgres/platform/platform"
# As barman.infofile writes it.
INFO = """backup_label=None
begin_time=2026-11-20 01:00:01.123456+00:00
end_time={end}
mode=concurrent
server_name=cloud
size=31457280
status={status}
systemid=7400000000000000000
"""


@pytest.fixture
def storage(store: Store) -> ObjectStorage:
    settings = store.owner(s3_bucket_prefix=f"p{uuid.uuid4().hex[:8]}-")
    synchronise(settings)
    return ObjectStorage(settings)


async def note(storage: ObjectStorage, name: str, *, end: str, status: str = "DONE") -> None:
    base = storage.bucket("backups")
    await base.put(f"postgres/platform/platform/base/{name}/data.tar.gz", b"what is in it")
    await base.put(f"postgres/platform/platform/base/{name}/backup.info", INFO.format(end=end, status=status).encode())


async def test_the_newest_that_succeeded_counts(storage: ObjectStorage) -> None:
    (records,) = backup_records(PLACE, storage)
    assert await records.newest() is None
    await note(storage, "20261120T010000", end="2026-11-20 01:00:09.5+00:00")
    await note(storage, "20261121T010000", end="None", status="FAILED")
    # Another server's, and the log's files, are none of this one's.
    await storage.bucket("backups").put(
        "postgres/platform/platform/wals/0000000100000000/000000010000000000000001", b""
    )
    await storage.bucket("backups").put("postgres/platform/other/base/20261122T010000/backup.info", b"status=DONE")
    assert await records.newest() == datetime(2026, 11, 20, 1, 0, 9, 500_000, UTC)
    await note(storage, "20261123T010000", end="in words that nobody reads")
    at = await records.newest()
    assert at is not None
    assert at.date() == datetime.now(UTC).date()


async def test_a_store_that_refuses_is_told(store: Store) -> None:
    settings = store.owner(s3_endpoint="http://127.0.0.1:9", s3_timeout_seconds=1.0)
    (records,) = backup_records(PLACE, ObjectStorage(settings))
    with pytest.raises(DependencyUnavailable):
        await records.newest()


def test_places_are_folders_or_below_buckets(storage: ObjectStorage) -> None:
    assert [each.place for each in backup_records(f"/archive/base, {PLACE}", storage)] == ["/archive/base", PLACE]
    assert backup_records("", storage) == []
    with pytest.raises(ValueError, match="'backups' is neither"):
        backup_records("backups", storage)
