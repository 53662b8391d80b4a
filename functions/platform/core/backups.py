"""Whether what was lost could be restored: recent base backups, and a log that is archived as it is written."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from functions.kit.clock import rfc3339, utc_now
from functions.kit.errors import DcoderError, DependencyUnavailable
from functions.platform.core.alerts import Condition, RaiseAlerts

BACKUP_KEY, ARCHIVE_KEY = "system:backup", "system:archive"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Archiving:
    """What Postgres says of its archive.

    Attributes:
        is_on: it archives its log at all.
        is_failing: its last try to keep a file failed.
        behind: whole files of the log that are not kept yet.
        kept_at: when a file was kept last; when the server began, where none was.
    """

    is_on: bool
    is_failing: bool = False
    behind: int = 0
    kept_at: datetime | None = None
    last_failed: str = ""


class Archive(Protocol):
    """The archive of the server's log."""

    async def state(self) -> Archiving:
        """Now.

        Raises:
            DependencyUnavailable: Postgres is away.
        """
        ...


class BackupRecords(Protocol):
    """One server's base backups.

    Attributes:
        place: where they are, as the settings name it.
    """

    place: str

    async def newest(self) -> datetime | None:
        """When the newest whole one was made.

        Raises:
            DcoderError: the place cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is true of backups now.

    Attributes:
        state: `not configured` where there are to be none, and nothing is wrong with that.
        newest: by place; None where there is none.
        faults: what is wrong with base backups, one line each.
        archive_fault: what is wrong with the log's archive; empty where nothing is.
        unread: places that could not be read, with the reason.
    """

    state: str
    archiving: Archiving
    newest: dict[str, datetime | None]
    faults: Sequence[str] = ()
    archive_fault: str = ""
    unread: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on something is wrong.

    Attributes:
        backup: age of the newest base backup.
        archive: time since a file of the log was kept while others wait.
    """

    backup: timedelta
    archive: timedelta


class JudgeBackups:
    """Looks at all of it.

    Args:
        patience: seconds in which a file of the log that was closed just now is kept.
    """

    def __init__(
        self,
        archive: Archive,
        records: Sequence[BackupRecords],
        limits: Limits,
        *,
        patience: float = 60.0,
        look_every: float = 1.0,
    ) -> None:
        self._archive = archive
        self._records = records
        self._limits = limits
        self._patience = patience
        self._look_every = look_every

    async def __call__(self) -> Verdict:
        """How it is now.

        Raises:
            DependencyUnavailable: Postgres is away.
        """
        archiving, archive_fault = await self._judge_archive()
        newest, faults, unread = dict[str, datetime | None](), list[str](), list[str]()
        for records in self._records:
            try:
                newest[records.place] = await records.newest()
            except DcoderError as error:
                unread.append(f"{records.place}: {error.message}")
                continue
            if fault := self._fault(records.place, newest[records.place]):
                faults.append(fault)
        wrong = bool(faults or archive_fault)
        expected = bool(self._records) or archiving.is_on
        state = "failing" if wrong else "unknown" if unread else "good" if expected else "not configured"
        return Verdict(state, archiving, newest, faults, archive_fault, unread)

    async def _judge_archive(self) -> tuple[Archiving, str]:
        until = time.monotonic() + self._patience
        while True:
            archiving = await self._archive.state()
            fault = self._archive_fault(archiving)
            # Of a server that was idle, a file is closed and kept long after the one before.
            if not fault or not archiving.is_on or time.monotonic() >= until:
                return archiving, fault
            await asyncio.sleep(self._look_every)

    def _archive_fault(self, archiving: Archiving) -> str:
        if not archiving.is_on:
            return "the log is not archived (archive_mode is off) although there are backups" if self._records else ""
        since = archiving.kept_at or utc_now()
        if not (archiving.is_failing or archiving.behind) or utc_now() - since <= self._limits.archive:
            return ""
        why = f"; the last try failed, of {archiving.last_failed}" if archiving.is_failing else ""
        return f"the log is not archived: {archiving.behind} files wait, the last was kept {rfc3339(since)}{why}"

    def _fault(self, place: str, newest: datetime | None) -> str:
        if newest is None:
            return f"{place}: there is no backup"
        age = utc_now() - newest
        return f"{place}: the newest backup is {_hours(age)} hours old" if age > self._limits.backup else ""


class CheckBackups:
    """Tells operators what is wrong with backups, and that it no longer is.

    Args:
        begin: opens a unit of work.
    """

    def __init__(
        self,
        judge: JudgeBackups,
        raise_alerts: RaiseAlerts,
        begin: Callable[[], AbstractAsyncContextManager[Any]],
    ) -> None:
        self._judge = judge
        self._raise = raise_alerts
        self._begin = begin

    async def __call__(self) -> None:
        """Do it now; sound to repeat.

        Raises:
            DependencyUnavailable: Postgres is away; or where backups are, after everything else was told.
        """
        verdict = await self._judge()
        _logger.info("backups were looked at", extra={"state": verdict.state, "faults": len(verdict.faults)})
        async with self._begin():
            await self._tell(ARCHIVE_KEY, "archive", verdict.archive_fault, {})
            # What cannot be read is neither well nor wrong: an alert stays as it is.
            if verdict.faults or not verdict.unread:
                seen = {place: at and rfc3339(at) for place, at in verdict.newest.items()}
                await self._tell(BACKUP_KEY, "backup", "; ".join(verdict.faults), {"newest": seen})
        if verdict.unread:
            raise DependencyUnavailable("; ".join(verdict.unread), details={"dependency": "backups"})

    async def _tell(self, key: str, condition: str, fault: str, details: dict[str, Any]) -> None:
        if not fault:
            await self._raise.recover(None, key, "it is as it should be")
            return
        told = Condition(
            tenant_id=None,
            kind="system",
            severity="critical",
            key=key,
            title=fault[:300],
            at=utc_now(),
            details={"condition": condition, "detail": fault, **details},
        )
        await self._raise([told])


def _hours(age: timedelta) -> int:
    return int(age.total_seconds() // 3600)
