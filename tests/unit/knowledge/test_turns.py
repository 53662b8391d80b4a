"""A tenant's many documents do not hold back another's few, and no document is forgotten, whoever dies."""

import asyncio
import random
from collections import deque
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest

from functions.kit.events import EventData
from functions.kit.subjects import DocumentQueued
from functions.knowledge.core.ingest import IngestionWaits
from functions.knowledge.core.ingest_ports import Due
from functions.knowledge.core.models import Space
from functions.knowledge.core.turns import IngestInTurns, TurnsPolicy

Event = tuple[str, str]


@dataclass
class Rows:
    """Ports `Waiting` and `Events`, and what ingests a document: some are open, some held by a process, some done."""

    rng: random.Random
    open: dict[Event, str | None] = field(default_factory=dict)
    done: list[Event] = field(default_factory=list)
    events: deque[Event] = field(default_factory=deque)
    broken: set[str] = field(default_factory=set)
    published: int = 0

    def add(self, tenant: str, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            self.open[tenant, f"{tenant}{number}"] = None
            self.events.append((tenant, f"{tenant}{number}"))

    async def due_in(self, space: Space, document_id: str) -> float | None:
        key = space.tenant_id, document_id
        await asyncio.sleep(0)
        return None if key not in self.open else 30.0 if self.open[key] else 0.0

    async def next_due(self, space: Space, besides: Collection[str]) -> Due | None:
        await asyncio.sleep(0)
        free = (at for at, holder in self.open.items() if at[0] == space.tenant_id and holder is None)
        found = next((document for _, document in free if document not in besides), None)
        # An answer is old when it comes.
        for _ in range(self.rng.randrange(12)):
            await asyncio.sleep(0)
        return Due(found, "corpus", None) if found else None

    async def held(self, space: Space) -> bool:
        await asyncio.sleep(0)
        return any(holder for at, holder in self.open.items() if at[0] == space.tenant_id)

    def publish(self, data: EventData, space: Space) -> None:
        assert isinstance(data, DocumentQueued)
        self.events.append((space.tenant_id, data.document_id))
        self.published += 1

    async def ingest(self, process: str, space: Space, document_id: str) -> None:
        key = space.tenant_id, document_id
        if key not in self.open:
            return
        if self.open[key]:
            raise IngestionWaits("held", retry_after=30)
        if document_id in self.broken:
            self.broken.remove(document_id)
            raise ValueError(document_id)
        self.open[key] = process
        for _ in range(self.rng.randrange(1, 30)):
            await asyncio.sleep(0)
        del self.open[key]
        self.done.append(key)


class Deliveries:
    """A dispatcher of several processes: each has so many events at once; an event is gone when it was answered."""

    def __init__(self, rows: Rows, policy: TurnsPolicy, processes: int, hands: int) -> None:
        self.rows = rows
        self.policy = policy
        self.hands = hands
        self.later: list[Event] = []
        self.running: dict[asyncio.Task[None], tuple[str, Event]] = {}
        self.functions = {f"p{number}": self.function(f"p{number}") for number in range(processes)}

    def function(self, process: str) -> IngestInTurns:
        async def ingest(space: Space, document_id: str) -> None:
            await self.rows.ingest(process, space, document_id)

        return IngestInTurns(ingest, nullcontext, self.rows, self.rows, self.policy)

    def deliver(self) -> None:
        for process, function in self.functions.items():
            busy = sum(at == process for at, _ in self.running.values())
            while self.rows.events and busy < self.hands:
                event = self.rows.events.popleft()
                task = asyncio.create_task(function(Space(event[0], event[0]), event[1]))
                self.running[task] = process, event
                busy += 1

    def settle(self) -> None:
        for task in [task for task in self.running if task.done()]:
            _, event = self.running.pop(task)
            # What fails otherwise is set aside at once.
            if isinstance(task.exception(), IngestionWaits):
                self.later.append(event)

    async def kill(self, process: str) -> None:
        """What it held stays held until its leases run out; its events come again."""
        doomed = [task for task, (at, _) in self.running.items() if at == process]
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)
        for task in doomed:
            self.rows.events.appendleft(self.running.pop(task)[1])
        self.functions[process] = self.function(process)

    async def run(self, *, deaths: int = 0, late: int = 0) -> None:
        while self.rows.events or self.running or self.later or late:
            if late and self.rows.rng.random() < 0.2:
                self.rows.add(f"late{late % 2}", 1, late)
                late -= 1
            self.deliver()
            await asyncio.sleep(0)
            self.settle()
            if deaths and self.rows.rng.random() < 0.02:
                deaths -= 1
                await self.kill(self.rows.rng.choice(list(self.functions)))
            if not self.rows.events and not self.running:
                # Time passes: leases of the dead run out, and what waited comes again.
                self.rows.open = dict.fromkeys(self.rows.open)
                self.rows.events.extend(self.later)
                self.later.clear()


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("seconds", [0.0, 1000.0], ids=["lining up", "staying"])
async def test_no_document_is_forgotten_whoever_dies(seed: int, seconds: float) -> None:
    rows = Rows(random.Random(seed))
    for tenant, count in (("a", 40), ("b", 3), ("c", 1)):
        rows.add(tenant, count)
    deliveries = Deliveries(rows, TurnsPolicy(1 + seed % 3, seconds, alone_seconds=seconds), processes=2, hands=4)
    await deliveries.run(deaths=seed % 6, late=40)
    assert not rows.open
    assert len(set(rows.done)) == 84


async def test_a_thousand_documents_of_one_tenant_hold_back_no_other() -> None:
    rows = Rows(random.Random(1))
    rows.add("a", 1000)
    rows.add("b", 1)
    await Deliveries(rows, TurnsPolicy(at_once=3, seconds=1000.0), processes=1, hands=8).run()
    assert len(rows.done) == 1001
    assert rows.done.index(("b", "b0")) < 200


async def test_a_version_that_comes_while_the_former_is_at_work_is_done_after_it() -> None:
    class Twice(Rows):
        async def ingest(self, process: str, space: Space, document_id: str) -> None:
            await super().ingest(process, space, document_id)
            if len(self.done) == 1:
                # Its event comes while the document is still at work.
                self.open[space.tenant_id, document_id] = None
                # It may be for later than those at work look: it comes again, as soon as the dispatcher has it.
                with pytest.raises(IngestionWaits) as told:
                    await in_turns(space, document_id)
                assert told.value.retry_after == 1

    rows, space = Twice(random.Random(1)), Space("a", "a")
    in_turns = Deliveries(rows, TurnsPolicy(), 1, 1).functions["p0"]
    rows.add("a", 1)
    await in_turns(space, "a0")
    assert (rows.done, rows.open) == ([("a", "a0")] * 2, {})


@pytest.mark.parametrize("broken", ["a0", "a1", "a4"])
async def test_what_goes_wrong_with_a_document_keeps_no_other_from_being_done(broken: str) -> None:
    rows = Rows(random.Random(1), broken={broken})
    rows.add("a", 5)
    await Deliveries(rows, TurnsPolicy(at_once=1, seconds=1000.0), processes=1, hands=8).run()
    assert {document for _, document in rows.done} == {"a0", "a1", "a2", "a3", "a4"} - ({"a0"} & {broken})


async def test_a_tenant_alone_does_not_line_up_behind_itself() -> None:
    rows = Rows(random.Random(1))
    rows.add("a", 50)
    await Deliveries(rows, TurnsPolicy(at_once=2, seconds=0.0), processes=1, hands=4).run()
    assert len(rows.done) == 50
    assert rows.published == 0


async def test_who_is_told_to_stop_leaves_the_rest_to_an_event() -> None:
    rows, space = Rows(random.Random(1)), Space("a", "a")
    in_turns = Deliveries(rows, TurnsPolicy(), 1, 1).functions["p0"]
    rows.add("a", 3)
    rows.events.clear()
    in_turns.stop()
    await in_turns(space, "a0")
    assert (rows.done, list(rows.events)) == ([("a", "a0")], [("a", "a1")])


async def test_tenants_that_fill_a_process_take_turns() -> None:
    rows = Rows(random.Random(1))
    for tenant in "abcdefgh":
        rows.add(tenant, 50)
    rows.add("z", 1)
    await Deliveries(rows, TurnsPolicy(at_once=2, seconds=0.0), processes=1, hands=4).run()
    assert len(rows.done) == 401
    assert rows.done.index(("z", "z0")) < 200


async def test_who_is_about_to_leave_looks_again_for_what_came_meanwhile() -> None:
    looked, told = asyncio.Event(), asyncio.Event()

    class Slow(Rows):
        async def next_due(self, space: Space, besides: Collection[str]) -> Due | None:
            found = await super().next_due(space, besides)
            looked.set()
            await told.wait()
            return found

    rows, space = Slow(random.Random(1)), Space("a", "a")
    in_turns = Deliveries(rows, TurnsPolicy(at_once=1, seconds=1000.0), 1, 1).functions["p0"]
    rows.add("a", 1)
    working = asyncio.create_task(in_turns(space, "a0"))
    await looked.wait()
    rows.add("a", 1, 1)
    await in_turns(space, "a1")
    assert rows.done == [("a", "a0")]
    told.set()
    await working
    assert rows.done == [("a", "a0"), ("a", "a1")]
