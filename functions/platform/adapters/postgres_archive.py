"""What Postgres says of the archive of its log: `pg_stat_archiver`, which every role may read."""

import re
from typing import Any

from functions.kit.database import Databases
from functions.platform.core.backups import Archiving

_STATE = """
    SELECT current_setting('archive_mode') <> 'off' AS is_on, last_archived_wal,
           coalesce(last_failed_wal, '') AS failed,
           coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS is_failing,
           coalesce(last_archived_time, stats_reset, pg_postmaster_start_time()) AS kept_at,
           CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END AS current,
           pg_size_bytes(current_setting('wal_segment_size')) AS segment
    FROM pg_stat_archiver
"""
# Of the log itself, or of the label of a base backup, which begins with its name; not a timeline's history.
_FILE = re.compile(r"[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})(\..*)?")


class PostgresArchive:
    """Port `Archive`."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def state(self) -> Archiving:
        """Now."""
        async with self._databases.acquire() as session:
            row: Any = await session.fetchrow(_STATE)
        behind = 0
        if row["is_on"]:
            per_file = 2**32 // row["segment"]
            # The one being written is not to be kept yet. A server's first is number one.
            kept = _number(row["last_archived_wal"] or "0" * 24, per_file)
            written = _number(row["current"] or "", per_file)
            behind = 0 if kept is None or written is None else max(0, written - 1 - kept)
        return Archiving(row["is_on"], row["is_failing"], behind, row["kept_at"], row["failed"])


def _number(name: str, per_file: int) -> int | None:
    """Of a file of the log, counted from the server's beginning."""
    found = _FILE.fullmatch(name)
    return int(found[1], 16) * per_file + int(found[2], 16) if found else None
