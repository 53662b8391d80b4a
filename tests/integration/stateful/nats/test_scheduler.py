"""Scheduled functions are told when they are due, once, whoever tells them."""

from datetime import UTC, datetime, timedelta

from nats.js import JetStreamContext

from functions.kit.catalogue import Catalogue
from functions.kit.events import Event
from stateful.nats.connection import Bus
from stateful.nats.dead_letters import ONLY_FUNCTION
from stateful.nats.dispatcher.scheduler import Scheduler, due_event
from stateful.nats.streams import EVENTS
from tests.integration.stateful.nats.conftest import MakeCatalogue
from tests.integration.stateful.nats.receiver import Receiver
from tests.integration.stateful.nats.running import Running
from tests.integration.stateful.nats.servers import Server
from tests.integration.stateful.nats.waiting import eventually

NOON = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def scheduled(make_catalogue: MakeCatalogue) -> Catalogue:
    return make_catalogue(nightly=("schedule.due",), other=("tenant.updated",), schedules={"nightly": "daily 02:17"})


async def test_two_replicas_say_what_was_due_once(
    running: Running, nats: Server, js: JetStreamContext, make_catalogue: MakeCatalogue
) -> None:
    catalogue = scheduled(make_catalogue)
    for replica in range(2):
        bus = running.bus(nats, f"replica-{replica}")
        await bus.session()
        running.task(Scheduler(catalogue.events(), bus, now=Clock()).run())

    async def said() -> bool:
        return (await js.stream_info(EVENTS)).state.messages == 1

    await eventually(said)
    message = await js.get_last_msg(EVENTS, "schedule.due")
    event = Event.from_json(message.data or b"")
    assert (message.headers or {})[ONLY_FUNCTION] == "test-nightly"
    assert event.data == {"function": "test-nightly", "due": "2026-03-01T02:17:00Z"}
    assert event.id == due_event("test-nightly", NOON.replace(hour=2, minute=17, second=0)).id
    assert event.id != due_event("test-nightly", NOON + timedelta(days=1)).id


async def test_only_the_function_that_is_due_is_told(
    running: Running, bus: Bus, receiver: Receiver, make_catalogue: MakeCatalogue
) -> None:
    catalogue = scheduled(make_catalogue)
    running.dispatch(catalogue, bus, receiver.url)
    running.task(Scheduler(catalogue.events(), bus, now=Clock()).run())

    async def told() -> bool:
        return bool(receiver.calls)

    await eventually(told)
    assert {call.function for call in receiver.calls} == {"test-nightly"}
