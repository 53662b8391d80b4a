"""The composition root of the audit trail's use cases, and the task that makes checkpoints."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass

import asyncpg

from functions.kit.database import Databases
from functions.kit.errors import DcoderError
from functions.kit.objects import ObjectStorage
from functions.kit.runtime import Runtime
from functions.kit.secrets import read_key_file
from functions.kit.settings import Settings
from functions.platform.adapters.audit_objects import ObjectCheckpoints
from functions.platform.adapters.postgres_audit import PostgresAudit, PostgresCheckpoints
from functions.platform.core.audit_checkpoints import CheckpointReport, MakeCheckpoints
from functions.platform.core.audit_search import SearchAudit

BUCKET = "audit"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Audit:
    """The use cases."""

    records: PostgresAudit
    search: SearchAudit


@asynccontextmanager
async def audit_intake(runtime: Runtime) -> AsyncIterator[Audit]:
    """Wire them."""
    records = PostgresAudit(runtime.databases)
    yield Audit(records, SearchAudit(records))


@asynccontextmanager
async def audit(runtime: Runtime) -> AsyncIterator[Audit]:
    """Wire them, and make checkpoints within the block."""
    task = asyncio.create_task(_for_ever(runtime), name="audit-checkpoints", context=Context())
    try:
        async with audit_intake(runtime) as use:
            yield use
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def make_checkpoints(
    settings: Settings, databases: Databases, storage: ObjectStorage, chain: str | None = None
) -> CheckpointReport | None:
    """One round; None when another process is at it.

    Raises:
        DependencyUnavailable: the database is away or the key file cannot be read.
        Internal: no key file is set.
    """
    register = PostgresCheckpoints(databases)
    make = MakeCheckpoints(
        register,
        ObjectCheckpoints(storage.bucket(BUCKET)),
        lambda: read_key_file(settings.audit_keys_file, "DCODER_AUDIT_KEYS_FILE"),
    )
    async with register.alone() as alone:
        return await make(chain) if alone else None


async def _for_ever(runtime: Runtime) -> None:
    """A round every so often. What fails is tried again in the next: calls never wait for a checkpoint."""
    settings = runtime.settings
    if settings.audit_keys_file is None:
        _logger.warning("no checkpoints of the audit trail: DCODER_AUDIT_KEYS_FILE is not set")
        return
    while True:
        await asyncio.sleep(settings.audit_checkpoint_seconds)
        try:
            await make_checkpoints(settings, runtime.databases, runtime.objects)
        # The last two: a key file that is not one. It may be put right while we run.
        except (DcoderError, asyncpg.PostgresError, OSError, ValueError, KeyError) as error:
            _logger.warning("no checkpoints were made", exc_info=error)
