"""Audit records as they are searched, and chains as they are checkpointed."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record in its chain.

    Attributes:
        seq: its place, from 1.
        record: canonical JSON, what the hash is over.
        hash: the chain's head with it.
    """

    chain: str
    seq: int
    at: datetime
    action: str
    resource: str
    outcome: str
    request_id: str
    record: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What to look for; None does not matter.

    Attributes:
        chain: a tenant's id or `platform`.
        actor: a subject; users' and API keys' ids are subjects.
        resource: how the path begins.
        start: inclusive.
        end: exclusive.
        before: only what is older than the record of this key.
    """

    start: datetime
    end: datetime
    chain: str | None = None
    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    before: tuple[datetime, str, int] | None = None


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint, and when it reached the object store."""

    chain: str
    size: int
    document: str
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class GrownChain:
    """A chain that differs from its newest checkpoint.

    Attributes:
        checkpoint: the newest one's document; None where there is none.
        frontier: roots of the perfect subtrees of the tree that it is of.
    """

    chain: str
    size: int
    checkpoint: str | None
    frontier: Sequence[bytes]


class AuditRecords(Protocol):
    """The chains, read; and appended to by what arrives from tenants' databases."""

    async def append(self, chain: str, record: str) -> None:
        """Append within the unit of work."""

    async def search(self, query: AuditQuery, limit: int) -> list[StoredRecord]:
        """The newest records that match, newest first."""

    async def checkpoints(self, chain: str, limit: int, below: int | None) -> list[StoredCheckpoint]:
        """A chain's checkpoints, largest first; `below` leaves out those from that size on."""


class CheckpointRegister(Protocol):
    """What checkpoints are made of and entered in."""

    async def grown(self, chain: str | None) -> list[GrownChain]:
        """The chains to make a checkpoint of, or the one asked for if it is one."""

    def records(self, chain: str, after: int, to: int) -> AsyncIterator[tuple[int, str, bytes]]:
        """Place, record and hash of the records beyond a place, in order."""

    async def enter(self, chain: str, size: int, document: str, frontier: Sequence[bytes]) -> None:
        """Enter a checkpoint, at once."""

    async def unpublished(self) -> list[StoredCheckpoint]:
        """Those that the object store has not got yet."""

    async def published(self, checkpoint: StoredCheckpoint) -> None:
        """Note that it has."""


class CheckpointArchive(Protocol):
    """Where checkpoints are out of the database's reach."""

    async def put(self, checkpoint: StoredCheckpoint) -> None:
        """Store one.

        Raises:
            DependencyUnavailable: the store is away.
        """
