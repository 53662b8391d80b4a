"""Every night: rows that nobody needs any more are deleted, in the platform's database and every tenant's."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from functions.kit.each_database import EachDatabase

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ages:
    """How old what is deleted is at least.

    Attributes:
        published: events in outboxes, from when they were published; what waits is never deleted.
        handled: marks that an event was handled.
    """

    published: timedelta
    handled: timedelta


class OldRows(Protocol):
    """Rows of one database that have an age."""

    async def forget(self, database: str, ages: Ages) -> int:
        """Delete what is older, some rows at a time, each time for good; returns how many those were."""
        ...


class Housekeeping:
    """Deletes them."""

    def __init__(self, each: EachDatabase, rows: OldRows, ages: Ages) -> None:
        self._each = each
        self._rows = rows
        self._ages = ages

    async def __call__(self) -> int:
        """Do it now; sound to repeat, and goes on where one that died was. Returns how many rows those were.

        Raises:
            DependencyUnavailable: of some databases, named in the message, after all others were done.
        """
        outcome = await self._each(lambda database: self._rows.forget(database, self._ages))
        deleted = sum(outcome.found.values())
        _logger.info("old rows were deleted", extra={"rows": deleted, "databases": len(outcome.found)})
        outcome.ensure_all("old rows stay")
        return deleted
