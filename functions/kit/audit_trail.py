"""Writes the audit records that no unit of work commits: of what was refused, denied, failed, replayed, signed out."""

import asyncio
import logging
import time
from collections import deque
from contextvars import Context

import asyncpg
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response

from functions.kit.audit import AuditRecord, is_audited, record_of_error, record_of_success, record_of_suppressed
from functions.kit.context import current
from functions.kit.database import APPEND_AUDIT, Databases
from functions.kit.errors import DcoderError

_DENIED = frozenset({401, 403})
_PATIENCE_SECONDS = 2.0
_PAUSE_SECONDS = 1.0
_MOST_WAITING = 1_000
# Of the process's connections: one tenant's denials wait for its chain, everybody else's calls must not wait with them.
_AT_ONCE = 2
# Calls without a genuine credential: so many records at once, then one every so many seconds.
_BURST = 100
_REFILL_SECONDS = 2.0

RECORDS = Counter("dcoder_audit_records_total", "Audit records by how they ended up.", ["fate"])
_logger = logging.getLogger("dcoder.audit")


class _Allowance:
    """How many records strangers may still cause: a bucket that fills at a steady pace."""

    def __init__(self, burst: int, refill_seconds: float) -> None:
        self._burst = burst
        self._refill = refill_seconds
        self._left = float(burst)
        self._at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) / self._refill)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class AuditTrail:
    """The records of this process that no unit of work commits.

    A record is written before its answer is given. While the database is away up to a thousand wait in memory and are
    tried again every second; what is beyond that, or was waiting when the process died, is in the log alone.
    """

    def __init__(self, databases: Databases, *, burst: int = _BURST, refill_seconds: float = _REFILL_SECONDS) -> None:
        self._databases = databases
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting: deque[AuditRecord] = deque()
        self._allowance = _Allowance(burst, refill_seconds)
        self._refill_seconds = refill_seconds
        self._suppressed = 0
        self._worker: asyncio.Task[None] | None = None

    async def note_error(self, request: Request, action: str, status: int, code: str | None) -> None:
        """Record a call that was refused, denied or failed, if such calls are."""
        if status not in _DENIED and not is_audited(request.method, action):
            return
        context = current()
        known = context.principal is not None or context.suspect is not None
        if not known and not self._allowance.take():
            self._suppressed += 1
            RECORDS.labels("suppressed").inc()
            self._work()
            return
        told, self._suppressed = (0, self._suppressed) if known else (self._suppressed, 0)
        await self._write(record_of_error(request, action, status, code, suppressed=told))

    async def note_success(self, request: Request, action: str, answer: Response) -> None:
        """Record what succeeded where the fact is no row that it could be committed with, such as a session's end."""
        await self._write(record_of_success(request, action, answer))

    async def note_replay(self, request: Request, action: str, answer: Response) -> None:
        """Record that an answer was given again for an Idempotency-Key."""
        if is_audited(request.method, action):
            await self._write(record_of_success(request, action, answer, replayed=True))

    async def close(self) -> None:
        """Write what is waiting, if that can be done at once."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        self._tell_suppressed()
        await self._flush()
        if self._waiting:
            RECORDS.labels("lost").inc(len(self._waiting))

    async def _write(self, record: AuditRecord) -> None:
        if self._waiting or not await self._append(record):
            self._keep(record)

    def _keep(self, record: AuditRecord) -> None:
        # A record holds neither secrets nor bodies, so the log may have it where the database does not.
        _logger.warning("an audit record waits for the database", extra={"chain": record.chain, "record": record.text})
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(record)
            RECORDS.labels("delayed").inc()
        else:
            RECORDS.labels("lost").inc()
        self._work()

    async def _append(self, record: AuditRecord) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._turns, self._databases.acquire() as connection:
                await connection.execute(APPEND_AUDIT, record.chain, record.text)
        except (DcoderError, TimeoutError, asyncpg.PostgresError) as error:
            _logger.debug("an audit record could not be written", exc_info=error)
            return False
        RECORDS.labels("written").inc()
        return True

    def _work(self) -> None:
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._catch_up(), name="audit-trail", context=Context())

    async def _catch_up(self) -> None:
        """Write what is waiting and tell what was suppressed, until there is neither."""
        while self._waiting or self._suppressed:
            await asyncio.sleep(max(_PAUSE_SECONDS, self._refill_seconds) if self._suppressed else _PAUSE_SECONDS)
            if self._suppressed and self._allowance.take():
                self._tell_suppressed()
            await self._flush()

    def _tell_suppressed(self) -> None:
        if self._suppressed:
            self._waiting.append(record_of_suppressed(self._suppressed))
            self._suppressed = 0

    async def _flush(self) -> None:
        while self._waiting and await self._append(self._waiting[0]):
            self._waiting.popleft()
