"""Streams are declared idempotently, and duplicates are dropped."""

import asyncio

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, StorageType

from stateful.nats.connection import Bus
from stateful.nats.streams import DEAD_LETTERS, EVENTS, declare, load_declarations
from tests.integration.stateful.nats.running import Running, event_of, publish
from tests.integration.stateful.nats.servers import Server


async def test_streams_are_as_declared(js: JetStreamContext) -> None:
    for declaration in load_declarations("embedded"):
        config = (await js.stream_info(declaration.name)).config
        assert config.subjects == declaration.subjects
        assert config.storage == StorageType.FILE
        assert config.discard == DiscardPolicy.OLD
        assert config.max_age == declaration.max_age
        assert config.max_bytes == declaration.max_bytes
        assert config.duplicate_window == declaration.duplicates_window
        # A single server keeps one replica, although more are declared.
        assert config.num_replicas == 1 < declaration.replicas


async def test_several_processes_declare_at_once(nats: Server, running: Running) -> None:
    buses = [running.bus(nats, name=f"replica {n}") for n in range(5)]
    await asyncio.wait_for(asyncio.gather(*(bus.session() for bus in buses)), 5)
    assert all(bus.ready for bus in buses)


async def test_a_changed_declaration_updates_the_stream_and_keeps_its_events(bus: Bus, js: JetStreamContext) -> None:
    await publish(bus, event_of())
    changed = tuple(d.model_copy(update={"max_age": 3600}) for d in load_declarations("embedded"))
    await declare(js, changed)
    await declare(js, changed)
    for name, messages in ((EVENTS, 1), (DEAD_LETTERS, 0)):
        info = await js.stream_info(name)
        assert info.config.max_age == 3600
        assert info.state.messages == messages


async def test_an_event_that_is_published_twice_is_stored_once(bus: Bus, js: JetStreamContext) -> None:
    event = event_of()
    await publish(bus, event, event, event_of())
    assert (await js.stream_info(EVENTS)).state.messages == 2
