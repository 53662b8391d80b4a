"""When base backups were made: what `postgres-backups` of Compose leaves in a folder, and Barman in a bucket."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from functions.kit.errors import DependencyUnavailable
from functions.kit.objects import Objects, ObjectStorage
from functions.platform.core.backups import BackupRecords

# A backup has this name only once it is whole (local/compose/config/postgres/backup.sh).
_NAME = re.compile(r"(\d{8}T\d{6}Z)\.tar\.gz\.enc")
_INFO = "backup.info"


class FolderBackups:
    """Port `BackupRecords`, of a folder."""

    def __init__(self, place: str) -> None:
        self.place = place

    async def newest(self) -> datetime | None:
        """By their names; what is written under another one is not whole yet.

        Raises:
            DependencyUnavailable: the folder cannot be read.
        """
        try:
            names = await asyncio.to_thread(lambda: [path.name for path in Path(self.place).iterdir()])
        except OSError as error:
            raise DependencyUnavailable(f"the folder cannot be read: {error.strerror}") from error
        made = (_moment(found[1]) for name in names if (found := _NAME.fullmatch(name)))
        return max((moment for moment in made if moment), default=None)


class BarmanBackups:
    """Port `BackupRecords`, of what Barman stores of one server: `base/ID/backup.info` for each.

    The format is Barman's own: lines of `name=value`, among them `status` and `end_time`.

    Args:
        place: bucket and prefix, `backups/postgres/platform/platform`.
    """

    def __init__(self, place: str, bucket: Objects, prefix: str) -> None:
        self.place = place
        self._bucket = bucket
        self._base = f"{prefix}/base"

    async def newest(self) -> datetime | None:
        """The end of the newest that succeeded.

        Raises:
            DependencyUnavailable: the store is away, or refuses.
        """
        found = [each async for each in self._bucket.list(self._base) if each.key.endswith(f"/{_INFO}")]
        # Their ids are times. Those that failed have a note too.
        for each in sorted(found, key=lambda one: one.key, reverse=True):
            told = dict(_lines((await self._bucket.get(each.key)).decode(errors="replace")))
            if told.get("status") == "DONE":
                return _moment(told.get("end_time", "")) or each.modified_at
        return None


def backup_records(places: str, objects: ObjectStorage) -> Sequence[BackupRecords]:
    """Those that the settings name: folders begin with `/`, all others with a bucket.

    Raises:
        ValueError: a place is neither.
    """
    found: list[BackupRecords] = []
    for place in (each.strip() for each in places.split(",")):
        if not place:
            continue
        bucket, _, prefix = place.partition("/")
        if place.startswith("/"):
            found.append(FolderBackups(place))
        elif prefix:
            found.append(BarmanBackups(place, objects.bucket(bucket), prefix.strip("/")))
        else:
            raise ValueError(f"DCODER_BACKUPS: {place!r} is neither a folder nor bucket/prefix")
    return found


def _lines(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        name, is_pair, value = line.partition("=")
        if is_pair:
            yield name.strip(), value.strip()


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
