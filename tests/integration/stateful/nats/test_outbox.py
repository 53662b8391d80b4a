"""Rows of every outbox are published, whoever crashed in between."""

import time

import orjson
from nats.js import JetStreamContext

from functions.kit.database import Databases
from functions.kit.events import Event
from stateful.nats.connection import Bus
from stateful.nats.relay.outbox import Outbox, PlatformOutbox
from stateful.nats.relay.settings import RelaySettings
from stateful.nats.relay.tenants import TenantOutboxes
from stateful.nats.streams import EVENTS
from tests.integration.stateful.nats.databases import PlatformDatabase, credentials
from tests.integration.stateful.nats.running import Running, event_of
from tests.integration.stateful.nats.servers import Server
from tests.integration.stateful.nats.waiting import eventually

FAST = RelaySettings(poll_seconds=0.1, tenant_poll_seconds=0.05, batch=20)
# Leaves all to notifications after the first look.
UNHURRIED = FAST.model_copy(update={"poll_seconds": 60.0, "tenant_poll_seconds": 60.0})


def relay(running: Running, database: PlatformDatabase, bus: Bus, settings: RelaySettings = FAST) -> None:
    outbox = PlatformOutbox(database.url, Outbox(bus, settings), settings, hint=lambda _: None)
    running.task(outbox.run())


def relay_tenants(
    running: Running, database: PlatformDatabase, bus: Bus, settings: RelaySettings = FAST
) -> TenantOutboxes:
    tenants = [Databases(database.url, pool_size=1, pools=1, credentials=credentials) for _ in range(2)]
    directory = Databases(database.url)
    for databases in (directory, *tenants):
        running.stack.push_async_callback(databases.close)
    outboxes = TenantOutboxes(directory, tenants, Outbox(bus, settings), settings)
    running.task(outboxes.run())
    return outboxes


async def stored(js: JetStreamContext) -> list[Event]:
    """The events in the stream, in order."""
    last = (await js.stream_info(EVENTS)).state.last_seq
    messages = [await js.get_msg(EVENTS, seq) for seq in range(1, last + 1)]
    return [Event.from_json(message.data or b"") for message in messages]


async def count(js: JetStreamContext, messages: int) -> bool:
    return (await js.stream_info(EVENTS)).state.messages == messages


async def test_what_a_crashed_producer_left_is_published_once(
    database: PlatformDatabase, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    events = [event_of(n=n) for n in range(50)]
    await database.emit(*events)
    # One was published already, but the crash came before its row was marked.
    await bus.publish(events[7].type, events[7].to_json(), message_id=events[7].id)
    for _ in range(3):
        relay(running, database, bus)
    await eventually(database.published)
    assert sorted(event.id for event in await stored(js)) == sorted(event.id for event in events)


async def test_one_relay_publishes_in_order(
    database: PlatformDatabase, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    events = [event_of(n=n) for n in range(50)]
    await database.emit(*events)
    relay(running, database, bus)
    await eventually(database.published)
    assert [event.id for event in await stored(js)] == [event.id for event in events]


async def test_a_notification_is_acted_on_at_once(database: PlatformDatabase, bus: Bus, running: Running) -> None:
    relay(running, database, bus, UNHURRIED)
    await database.emit(event_of())
    await database.notify()
    await eventually(database.published)
    began = time.monotonic()
    async with database.connection.transaction():
        await database.emit(event_of())
        await database.notify()
    await eventually(database.published)
    assert time.monotonic() - began < 0.5


async def test_a_row_that_is_refused_holds_up_no_other(
    database: PlatformDatabase, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    good = [event_of(n=n) for n in range(30)]
    await database.emit(*(event_of("nobody.listens") for _ in range(30)), *good)
    relay(running, database, bus)

    async def the_others_are_published() -> bool:
        return await database.unpublished() == 30

    await eventually(the_others_are_published)
    assert [event.id for event in await stored(js)] == [event.id for event in good]


async def test_rows_wait_while_nats_is_away(
    nats: Server, database: PlatformDatabase, bus: Bus, running: Running
) -> None:
    relay(running, database, bus)
    nats.kill()
    await eventually(lambda: not bus.ready)
    await database.emit(event_of())
    assert await database.unpublished() == 1
    nats.start()
    await eventually(database.published)


async def test_a_lost_connection_to_postgres_is_made_again(
    database: PlatformDatabase, bus: Bus, running: Running
) -> None:
    relay(running, database, bus)
    await database.emit(event_of())
    await eventually(database.published)
    killed = await database.connection.fetchval(
        """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    )
    assert killed
    await database.emit(event_of())
    await eventually(database.published)


async def test_tenants_outboxes_are_published_unasked(
    database: PlatformDatabase, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    tenants = [await database.add_tenant() for _ in range(5)]
    before, after = event_of(n=1), event_of(n=2)
    await database.emit(before, tenant=tenants[0])
    relay_tenants(running, database, bus)
    await eventually(lambda: count(js, 1))
    # Postgres' statistics tell which of the databases was written to.
    await database.emit(after, tenant=tenants[4])
    await eventually(lambda: count(js, 2))
    assert [event.id for event in await stored(js)] == [before.id, after.id]
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY($1) AND application_name = 'dcoder'"
    assert await database.connection.fetchval(query, tenants) <= 2


async def test_one_tenants_trouble_is_not_the_others(
    database: PlatformDatabase, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    await database.add_tenant(with_database=False)
    for _ in range(3):
        await database.at(await database.add_tenant(), "DROP TABLE outbox")
    await database.emit(event_of(), tenant=await database.add_tenant())
    relay_tenants(running, database, bus)
    await eventually(lambda: count(js, 1))


async def test_a_tenants_outbox_is_published_when_the_platform_is_told(
    database: PlatformDatabase, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    tenant = await database.add_tenant()
    await database.emit(event_of(), tenant=tenant)
    outboxes = relay_tenants(running, database, bus, UNHURRIED)
    of_platform = PlatformOutbox(database.url, Outbox(bus, UNHURRIED), UNHURRIED, hint=outboxes.hint)
    running.task(of_platform.run())
    await database.emit(event_of())
    await database.notify()
    await eventually(lambda: count(js, 2))
    await database.emit(event_of(), tenant=tenant)
    began = time.monotonic()
    await database.notify(tenant)
    await eventually(lambda: count(js, 3))
    assert time.monotonic() - began < 0.5


async def test_payloads_arrive_as_they_were_written(
    database: PlatformDatabase, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    event = event_of(text="naïve 漢字 \U0001f600", nested={"a": [1, 2.5, None, True]})
    await database.emit(event)
    relay(running, database, bus)
    await eventually(lambda: count(js, 1))
    message = await js.get_msg(EVENTS, 1)
    assert orjson.loads(message.data or b"") == orjson.loads(event.to_json())
    assert (message.headers or {})["Nats-Msg-Id"] == event.id
