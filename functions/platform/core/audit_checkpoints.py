"""Makes signed checkpoints of the audit chains and brings them out of the database's reach."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from functions.kit.clock import rfc3339, utc_now
from functions.kit.errors import DependencyUnavailable
from functions.platform.core.audit_chain import (
    Checkpoint,
    ForgedCheckpoint,
    first_head,
    next_head,
    public_keys,
)
from functions.platform.core.audit_models import CheckpointArchive, CheckpointRegister, GrownChain
from functions.platform.core.merkle import Frontier

# The id of the active key, and the seeds of all by id.
SigningKeys = Callable[[], tuple[str, dict[str, bytes]]]

_logger = logging.getLogger(__name__)


class DamagedChain(Exception):
    """A chain is not what its last checkpoint and its records' hashes say; nothing is signed over it."""


@dataclass(slots=True)
class CheckpointReport:
    """What a round did: chains by name, with the size or the reason."""

    made: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    published: int = 0
    waiting: int = 0


class MakeCheckpoints:
    """One round: a checkpoint of every chain that has grown, and all that are not yet archived into the archive."""

    def __init__(self, register: CheckpointRegister, archive: CheckpointArchive, keys: SigningKeys) -> None:
        self._register = register
        self._archive = archive
        self._keys = keys

    async def __call__(self, chain: str | None = None) -> CheckpointReport:
        """Make them; a damaged chain is named and the others go on.

        Args:
            chain: this one alone.

        Raises:
            DependencyUnavailable: the database is away or the key file cannot be read.
        """
        report = CheckpointReport()
        for grown in await self._register.grown(chain):
            try:
                await self._make(grown)
                report.made[grown.chain] = grown.size
            except DamagedChain as error:
                _logger.exception("an audit chain is damaged", extra={"chain": grown.chain})
                report.damaged[grown.chain] = str(error)
        await self._publish(report)
        return report

    async def _make(self, grown: GrownChain) -> None:
        active, seeds = self._keys()
        head, frontier = self._known(grown, seeds)
        if grown.size < frontier.size:
            raise DamagedChain(f"it ends at {grown.size}, a checkpoint has {frontier.size} records")
        async for seq, record, stored in self._register.records(grown.chain, frontier.size, grown.size):
            head = next_head(head, record)
            if seq != frontier.size + 1 or head != stored:
                raise DamagedChain(f"record {frontier.size + 1} is missing or was changed")
            frontier.add(record.encode())
        if frontier.size != grown.size:
            raise DamagedChain(f"record {frontier.size + 1} is missing")
        checkpoint = Checkpoint(grown.chain, frontier.size, head, frontier.root(), rfc3339(utc_now()), active)
        await self._register.enter(grown.chain, grown.size, checkpoint.signed(seeds[active]), frontier.roots)

    @staticmethod
    def _known(grown: GrownChain, seeds: dict[str, bytes]) -> tuple[bytes, Frontier]:
        """Where the chain was at its newest checkpoint. The frontier is only a short cut: the signed root decides."""
        if grown.checkpoint is None:
            return first_head(grown.chain), Frontier()
        try:
            last = Checkpoint.verified(grown.checkpoint, public_keys(seeds))
            frontier = Frontier(last.size, grown.frontier)
        except (ForgedCheckpoint, ValueError) as error:
            raise DamagedChain(f"its newest checkpoint is not sound: {error}") from error
        if last.chain != grown.chain or frontier.root() != last.root:
            raise DamagedChain("its newest checkpoint is not of what is stored beside it")
        return last.head, frontier

    async def _publish(self, report: CheckpointReport) -> None:
        waiting = await self._register.unpublished()
        for checkpoint in waiting:
            try:
                await self._archive.put(checkpoint)
            except DependencyUnavailable as error:
                _logger.warning(
                    "checkpoints wait for the object store", extra={"waiting": len(waiting)}, exc_info=error
                )
                break
            await self._register.published(checkpoint)
            report.published += 1
        report.waiting = len(waiting) - report.published
