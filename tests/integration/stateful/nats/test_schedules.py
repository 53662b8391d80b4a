"""Scheduled functions are called when they are due, once, and somebody hears of it when they fail."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest_asyncio
from aiohttp import web
from nats.js import JetStreamContext
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from functions.kit.catalogue import Catalogue
from functions.kit.identifiers import new_id
from functions.kit.temporal import TemporalAddress
from stateful.nats.connection import Bus
from stateful.nats.dispatcher.delivery import Delivery
from stateful.nats.streams import EVENTS
from stateful.temporal.declaration import load_declaration
from stateful.temporal.schedules import schedules_of
from stateful.temporal.sync import Sync
from stateful.temporal.worker import ScheduleWorker
from tests.integration.stateful.nats.conftest import MakeCatalogue
from tests.integration.stateful.nats.receiver import Call, Receiver, answer
from tests.integration.stateful.nats.running import Running
from tests.integration.stateful.nats.servers import Server
from tests.integration.stateful.nats.waiting import eventually

DECLARED = load_declaration()
NIGHTLY = "test-nightly"
COMPLETED, FAILED = WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED


@dataclass(frozen=True)
class Clock:
    """A namespace of its own with the schedules of a catalogue."""

    address: TemporalAddress
    client: Client
    catalogue: Catalogue

    async def strike(self) -> None:
        """Have the function be due now."""
        await self.client.get_schedule_handle(NIGHTLY).trigger()

    async def states(self) -> list[WorkflowExecutionStatus | None]:
        """Of all times that it was due, the first one first."""
        listed = [each async for each in self.client.list_workflows("WorkflowType = 'ScheduledCall'")]
        return [each.status for each in sorted(listed, key=lambda each: each.start_time)]

    async def has(self, *states: WorkflowExecutionStatus) -> None:
        """Wait until these are the states."""

        async def reached() -> bool:
            return await self.states() == list(states)

        await eventually(reached, seconds=30)


@pytest_asyncio.fixture
async def clock(temporal: Server, make_catalogue: MakeCatalogue) -> Clock:
    catalogue = make_catalogue(nightly=(), other=("tenant.updated",), schedules={"nightly": "daily 02:17"})
    address = TemporalAddress(temporal.address, f"t-{new_id()[-12:]}", tls=False, api_key=None, seconds=5)
    client = await address.connect()
    sync, wanted = Sync(client, address.patience), dict(schedules_of(catalogue, DECLARED.schedules))
    await sync.namespace(DECLARED, timedelta(days=1))

    async def known() -> bool:
        try:
            return await sync.schedules(wanted) == [f"schedule {NIGHTLY}: made"]
        except RPCError:
            # A server takes a moment to hear of a namespace.
            return False

    await eventually(known, seconds=30)
    return Clock(address, client, catalogue)


@pytest_asyncio.fixture
async def worker(clock: Clock, receiver: Receiver, bus: Bus, running: Running) -> AsyncIterator[ScheduleWorker]:
    delivery = Delivery(receiver.url)
    worker = ScheduleWorker(clock.catalogue.scheduled(), clock.address, delivery, bus, drain_seconds=20)
    running.task(worker.run())
    yield worker
    await worker.drain()
    await delivery.close()


async def signals(js: JetStreamContext) -> list[dict[str, Any]]:
    """What operators were told."""
    count = (await js.stream_info(EVENTS)).state.messages
    messages = [await js.get_msg(EVENTS, number) for number in range(1, count + 1)]
    return [json.loads(message.data or b"")["data"] for message in messages if message.subject == "system.signal"]


async def test_a_function_that_is_due_is_called_until_it_has_done_it(
    clock: Clock, worker: ScheduleWorker, receiver: Receiver, js: JetStreamContext
) -> None:
    receiver.answer_in_turn(answer(503), answer(200))
    await clock.strike()
    await clock.has(COMPLETED)
    first, second = receiver.calls
    assert first.function == NIGHTLY
    assert (first.event.type, first.event.data["function"]) == ("schedule.due", NIGHTLY)
    # However often it is called for one time, it is the same event, which it handles once.
    assert first.event.id == second.event.id
    assert await signals(js) == []


async def test_operators_hear_of_one_that_fails_and_of_its_recovery(
    clock: Clock, worker: ScheduleWorker, receiver: Receiver, js: JetStreamContext
) -> None:
    receiver.answer_in_turn(answer(422, "no such thing"), answer(200))
    await clock.strike()
    await clock.has(FAILED)
    (failing,) = await signals(js)
    assert (failing["condition"], failing["name"], failing["state"]) == ("schedule", NIGHTLY, "failing")
    assert "no such thing" in failing["detail"]
    await clock.strike()
    await clock.has(FAILED, COMPLETED)
    assert [told["state"] for told in await signals(js)] == ["failing", "recovered"]
    await clock.strike()
    await clock.has(FAILED, COMPLETED, COMPLETED)
    assert len(await signals(js)) == 2
    assert len({call.event.id for call in receiver.calls}) == 3


async def test_one_at_a_time_and_a_dispatcher_that_stops_finishes_it(
    clock: Clock, worker: ScheduleWorker, receiver: Receiver
) -> None:
    finish = asyncio.Event()

    async def slow(_: Call) -> web.Response:
        await finish.wait()
        return answer()

    receiver.behaviour = slow
    await clock.strike()
    await eventually(lambda: len(receiver.calls) == 1, seconds=30)
    await clock.strike()
    draining = asyncio.create_task(worker.drain())
    finish.set()
    await draining
    assert len(receiver.calls) == 1
    assert len(await clock.states()) == 1


async def test_what_was_due_while_nobody_worked_is_made_up_for(
    clock: Clock, temporal: Server, receiver: Receiver, bus: Bus, running: Running
) -> None:
    await clock.strike()
    await clock.has(WorkflowExecutionStatus.RUNNING)
    temporal.kill()
    delivery = Delivery(receiver.url)
    worker = ScheduleWorker(clock.catalogue.scheduled(), clock.address, delivery, bus, drain_seconds=5)
    running.task(worker.run())
    temporal.start()
    await eventually(lambda: len(receiver.calls) == 1, seconds=60)
    await clock.has(COMPLETED)
    await worker.drain()
    await delivery.close()
