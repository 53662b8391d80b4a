"""Walks one audit chain and says what is wrong with it, and where."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import asyncpg
import orjson

from functions.platform.core.audit_chain import Checkpoint, first_head, next_head
from functions.platform.core.merkle import Frontier

_COLUMNS = "seq, at, actor, action, resource, outcome, request_id, record, hash"
_READ = f"SELECT {_COLUMNS} FROM audit.records WHERE chain = $1 ORDER BY seq"  # noqa: S608 - our own words
_MOST_FAULTS = 20
# How far a record that was moved is looked for.
_NEAR = 64


@dataclass(slots=True)
class Verdict:
    """What was found of a chain.

    Attributes:
        faults: in the order of the chain, at most about twenty.
        covered: records that a genuine checkpoint vouches for.
    """

    chain: str
    size: int = 0
    covered: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, words: str) -> None:
        """Note one."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(words)


async def walk(session: "asyncpg.Connection[asyncpg.Record]", chain: str, checkpoints: Sequence[Checkpoint]) -> Verdict:
    """Read a chain from its beginning and compare it with itself, its head and its checkpoints.

    Args:
        session: inside a transaction, so that what is read is of one moment.
        checkpoints: genuine ones, by size.
    """
    walker = _Walker(chain, checkpoints)
    async for row, following in _ahead(aiter(session.cursor(_READ, chain, prefetch=1000))):
        walker.take(row, following)
    head = await session.fetchrow("SELECT size, head FROM audit.chains WHERE chain = $1", chain)
    walker.end(head)
    return walker.verdict


async def _ahead(
    rows: AsyncIterator[asyncpg.Record],
) -> AsyncIterator[tuple[asyncpg.Record, Sequence[asyncpg.Record]]]:
    """Each row with some of those that follow it."""
    window: deque[asyncpg.Record] = deque()
    async for row in rows:
        window.append(row)
        if len(window) > _NEAR:
            yield window.popleft(), window
    while window:
        yield window.popleft(), window


class _Walker:
    def __init__(self, chain: str, checkpoints: Sequence[Checkpoint]) -> None:
        self.verdict = Verdict(chain)
        self._head = first_head(chain)
        self._tree = Frontier()
        self._expected = 1
        self._checkpoints = deque(checkpoints)
        self._sound_until = 0
        self._compared = True

    def take(self, row: asyncpg.Record, following: Sequence[asyncpg.Record]) -> None:
        seq, record, stored = row["seq"], row["record"], bytes(row["hash"])
        if seq != self._expected:
            self._gap(seq)
        if next_head(self._head, record) != stored and self._compared:
            self._changed(row, following)
        self._compared = True
        for column in _differing(row):
            self.verdict.fault(f"record {seq}: its column {column} is not what the record says")
        # Go on from what is stored, so that one fault is told once.
        self._head = stored
        self._tree.add(record.encode())
        self._expected = seq + 1
        self._compare(seq)

    def end(self, head: asyncpg.Record | None) -> None:
        last = self._expected - 1
        self.verdict.size = last
        if head is None:
            if last:
                self.verdict.fault("the chain's head is gone")
        elif head["size"] > last:
            self.verdict.fault(f"the end is cut: records {last + 1} to {head['size']} are gone")
        elif head["size"] != last or bytes(head["head"]) != self._head:
            self.verdict.fault(f"the head says {head['size']} records and is not the hash of record {last}")
        for checkpoint in self._checkpoints:
            self.verdict.fault(
                f"the end is cut: a checkpoint of {checkpoint.time} has {checkpoint.size} records, there are {last}"
            )

    def _gap(self, seq: int) -> None:
        gone = (
            f"record {self._expected} is" if seq == self._expected + 1 else f"records {self._expected} to {seq - 1} are"
        )
        self.verdict.fault(f"{gone} deleted")
        # What hash the missing one had is not known, so this one's cannot be judged.
        self._compared = False

    def _changed(self, row: asyncpg.Record, following: Sequence[asyncpg.Record]) -> None:
        seq = row["seq"]
        for other in following:
            if next_head(self._head, other["record"]) in {bytes(row["hash"]), bytes(other["hash"])}:
                self.verdict.fault(f"records were reordered: what was record {seq} is record {other['seq']} now")
                return
        self.verdict.fault(f"record {seq} was changed, or one before it: its hash is not of it and the hash before")

    def _compare(self, seq: int) -> None:
        while self._checkpoints and self._checkpoints[0].size <= seq:
            checkpoint = self._checkpoints.popleft()
            if checkpoint.size == seq and checkpoint.head == self._head and checkpoint.root == self._tree.root():
                self.verdict.covered = self._sound_until = seq
            else:
                self.verdict.fault(
                    f"records {self._sound_until + 1} to {checkpoint.size} are not those of the checkpoint of "
                    f"{checkpoint.time}: the chain was rewritten"
                )


def _differing(row: asyncpg.Record) -> list[str]:
    """Columns that do not repeat what the record says."""
    try:
        said = orjson.loads(row["record"])
        wanted = {
            "at": said["time"],
            "actor": said.get("actor", {}).get("subject"),
            "action": said["action"],
            "resource": said["resource"],
            "outcome": said["outcome"],
            "request_id": said.get("requestId", ""),
        }
    except (ValueError, KeyError, AttributeError, TypeError):
        return ["record"]
    stored = {**dict(row), "at": row["at"].isoformat(timespec="microseconds").replace("+00:00", "Z")}
    return [name for name, value in wanted.items() if stored[name] != value]
