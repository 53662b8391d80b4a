"""Goes through the platform's database and every tenant's, a few at a time; the trouble of one is not the others'."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from functions.kit.errors import DependencyUnavailable

Found = TypeVar("Found")

# As functions/kit/database.py calls it.
PLATFORM = "platform"
_PAGE = 200
AT_ONCE = 4
_NAMED = 10

_logger = logging.getLogger(__name__)


class Directory(Protocol):
    """The tenants' databases."""

    async def page(self, after: str, limit: int) -> Sequence[str]:
        """Names beyond one, in order; suspended tenants' too, half-made ones' not.

        Raises:
            DependencyUnavailable: the platform's database is away.
        """
        ...


@dataclass(slots=True)
class Outcome(Generic[Found]):
    """What came of it.

    Attributes:
        found: by database.
        failed: why it came to nothing, by database.
    """

    found: dict[str, Found] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def ensure_all(self, what: str) -> None:
        """Tell of those that came to nothing, once all others were done.

        Args:
            what: as the message begins: `what` in 2 of 40 databases.

        Raises:
            DependencyUnavailable: there are some; the message names them.
        """
        if not self.failed:
            return
        named = "; ".join(f"{name}: {why}" for name, why in sorted(self.failed.items())[:_NAMED])
        raise DependencyUnavailable(
            f"{what} in {len(self.failed)} of {len(self.found | self.failed)} databases: {named}",
            details={"dependency": "postgres"},
        )


class EachDatabase:
    """Does something in every database.

    Args:
        at_once: most databases that are worked on, and so connected to, at a time.
    """

    def __init__(self, directory: Directory, *, at_once: int = AT_ONCE, page: int = _PAGE) -> None:
        self._directory = directory
        self._at_once = at_once
        self._page = page

    async def __call__(self, work: Callable[[str], Awaitable[Found]]) -> Outcome[Found]:
        """In the platform's and every tenant's.

        Raises:
            DependencyUnavailable: nobody knows which tenants there are.
        """
        outcome = Outcome[Found]()
        await self.of([PLATFORM], work, outcome)
        await self._of_tenants(work, outcome)
        return outcome

    async def tenants(self, work: Callable[[str], Awaitable[Found]]) -> Outcome[Found]:
        """In every tenant's.

        Raises:
            DependencyUnavailable: nobody knows which tenants there are.
        """
        outcome = Outcome[Found]()
        await self._of_tenants(work, outcome)
        return outcome

    async def _of_tenants(self, work: Callable[[str], Awaitable[Found]], outcome: Outcome[Found]) -> None:
        after = ""
        while names := await self._directory.page(after, self._page):
            await self.of(names, work, outcome)
            after = names[-1]

    async def of(self, names: Sequence[str], work: Callable[[str], Awaitable[Found]], outcome: Outcome[Found]) -> None:
        """In these, adding to the outcome."""
        waiting = iter(names)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._at_once, len(names))):
                group.create_task(_work_off(waiting, work, outcome))


async def _work_off(waiting: Iterator[str], work: Callable[[str], Awaitable[Found]], outcome: Outcome[Found]) -> None:
    for database in waiting:
        try:
            outcome.found[database] = await work(database)
        except Exception as error:  # noqa: BLE001 - one database's trouble is not the others'
            reason = f"{type(error).__name__}: {error}"[:300]
            outcome.failed[database] = reason
            _logger.warning("a database could not be worked on", extra={"database": database, "reason": reason})
