"""The dispatcher delivers every event until it is handled or a dead letter."""

import asyncio
from typing import Any

from aiohttp import web
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from stateful.nats import dead_letters
from stateful.nats.connection import Bus
from stateful.nats.dispatcher.settings import DispatcherSettings
from stateful.nats.streams import DEAD_LETTERS, EVENTS
from tests.integration.stateful.nats.conftest import MakeCatalogue
from tests.integration.stateful.nats.receiver import Call, Receiver, answer
from tests.integration.stateful.nats.running import FAST, Running, event_of, publish
from tests.integration.stateful.nats.servers import Server, free_port
from tests.integration.stateful.nats.waiting import eventually

MIRROR = "test-mirror"


def settings(**changes: Any) -> DispatcherSettings:
    return FAST.model_copy(update=changes)


async def settled(js: JetStreamContext, consumer: str = MIRROR) -> bool:
    """Whether events were delivered, and every one was acknowledged or terminated."""
    try:
        info = await js.consumer_info(EVENTS, consumer)
    except NotFoundError:
        return False
    # The server counts what is pending a moment after it was published.
    return bool(info.delivered and info.delivered.consumer_seq) and not info.num_ack_pending and not info.num_pending


async def letters(js: JetStreamContext) -> int:
    return (await js.stream_info(DEAD_LETTERS)).state.messages


async def test_a_handled_event_is_acknowledged(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    catalogue = make_catalogue(mirror=("tenant.updated", "quota.updated"), greeter=("tenant.created",))
    events = [event_of("tenant.updated", n=1), event_of("quota.updated", n=2), event_of("tenant.created", n=3)]
    # Published before the functions have consumers: they begin at the stream's beginning.
    await publish(bus, *events, event_of("document.uploaded"))
    running.dispatch(catalogue, bus, receiver.url)
    await eventually(lambda: len(receiver.calls) == 3)
    await eventually(lambda: settled(js))
    received = {(call.function, call.body) for call in receiver.calls}
    functions = (MIRROR, MIRROR, "test-greeter")
    assert received == {(name, event.to_json()) for name, event in zip(functions, events, strict=True)}
    headers = receiver.calls[0].headers
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert headers["X-Request-Id"] == "request-1"


async def test_a_failure_is_tried_again_until_it_succeeds(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    receiver.answer_in_turn(answer(502), answer(500), answer(429), answer(408), answer(200))
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url)
    event = event_of()
    await publish(bus, event)
    await eventually(lambda: receiver.ids() == [event.id] * 5)
    await eventually(lambda: settled(js))
    assert await letters(js) == 0


async def test_a_function_is_left_alone_for_as_long_as_it_asks(
    bus: Bus, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    receiver.answer_in_turn(answer(429, headers={"Retry-After": "1"}), answer())
    changes = settings(retry_cap_seconds=0.6, retry_base_seconds=0.01)
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url, changes)
    await publish(bus, event_of())
    await eventually(lambda: len(receiver.calls) == 2)
    # A second was asked for; the cap allows 0.6.
    assert 0.6 <= receiver.calls[1].at - receiver.calls[0].at < 1.0


async def test_a_refused_event_becomes_a_dead_letter_at_once(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    receiver.answer_in_turn(answer(422, text='{"error": {"code": "validation_failed"}}'))
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url)
    event = event_of(note="kept whole")
    await publish(bus, event)
    await eventually(lambda: settled(js))
    assert len(receiver.calls) == 1
    letter = await js.get_last_msg(DEAD_LETTERS, "dlq.tenant.updated")
    headers = letter.headers or {}
    assert letter.data == event.to_json()
    assert headers[dead_letters.STATUS] == "422"
    assert headers[dead_letters.FUNCTION] == MIRROR
    assert headers[dead_letters.SUBJECT] == "tenant.updated"
    assert headers[dead_letters.DELIVERIES] == "1"
    assert headers[dead_letters.EVENT_ID] == event.id
    assert "validation_failed" in headers[dead_letters.REASON]
    assert headers[dead_letters.PUBLISHED] <= headers[dead_letters.LAST_TRY]
    assert event.id in headers["Nats-Msg-Id"]
    assert MIRROR in headers["Nats-Msg-Id"]


async def test_a_letter_that_cannot_be_stored_leaves_the_event_where_it_is(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    await js.delete_stream(DEAD_LETTERS)
    receiver.answer_in_turn(answer(422))
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url)
    await publish(bus, event_of())
    # The first letter finds no stream; it is declared anew, and the event comes again.
    await eventually(lambda: len(receiver.calls) == 2)
    await eventually(lambda: settled(js))
    assert await letters(js) == 1


async def test_tries_end(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    receiver.answer_in_turn(answer(500))
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url, settings(max_tries=3))
    await publish(bus, event_of())
    await eventually(lambda: settled(js))
    assert len(receiver.calls) == 3
    letter = await js.get_last_msg(DEAD_LETTERS, "dlq.tenant.updated")
    assert (letter.headers or {})[dead_letters.STATUS] == "500"
    assert "3 tries exhausted" in (letter.headers or {})[dead_letters.REASON]


async def test_what_a_function_lacks_costs_no_tries(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    away = [answer(503) for _ in range(12)]
    receiver.answer_in_turn(*away, answer(500), answer(200))
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url, settings(max_tries=2))
    event = event_of()
    await publish(bus, event)
    await eventually(lambda: receiver.ids() == [event.id] * 14)
    await eventually(lambda: settled(js))
    assert await letters(js) == 0


async def test_what_is_no_event_becomes_a_dead_letter_unasked(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url)
    await bus.publish("tenant.updated", b'{"specversion": "1.0"}', message_id="1")
    await bus.publish("tenant.updated", b"\xff\x00", message_id="2")
    good = event_of()
    await publish(bus, good)
    await eventually(lambda: settled(js))
    assert receiver.ids() == [good.id]
    assert await letters(js) == 2


async def test_a_slow_function_is_not_sent_the_event_twice(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    finish = asyncio.Event()

    async def slow(_: Call) -> web.Response:
        await finish.wait()
        return answer()

    receiver.behaviour = slow
    catalogue = make_catalogue(mirror=("tenant.updated",))
    # A second replica stands ready to take what the first seems to have dropped.
    for _ in range(2):
        running.dispatch(catalogue, bus, receiver.url, settings(ack_wait_seconds=0.5))
    await publish(bus, event_of())
    await eventually(lambda: len(receiver.calls) == 1)
    began = asyncio.get_running_loop().time()
    await eventually(lambda: asyncio.get_running_loop().time() - began > 1.2)
    finish.set()
    await eventually(lambda: settled(js))
    assert len(receiver.calls) == 1


async def test_an_unreachable_function_costs_no_tries(
    bus: Bus, js: JetStreamContext, make_catalogue: MakeCatalogue, running: Running
) -> None:
    absent = Receiver(port=free_port())
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, absent.url, settings(max_tries=2))
    events = [event_of(n=n) for n in range(20)]
    await publish(bus, *events)
    delivered = 0

    async def tried_often() -> bool:
        info = await js.consumer_info(EVENTS, MIRROR)
        nonlocal delivered
        delivered = info.delivered.consumer_seq if info.delivered else 0
        return delivered >= 24

    await eventually(tried_often)
    assert await letters(js) == 0
    await absent.start()
    try:
        await eventually(lambda: settled(js))
        assert sorted(absent.ids()) == sorted(event.id for event in events)
        assert await letters(js) == 0
    finally:
        await absent.stop()


async def test_an_event_is_not_kept_for_ever_for_an_unreachable_function(
    bus: Bus, js: JetStreamContext, make_catalogue: MakeCatalogue, running: Running
) -> None:
    url = f"http://127.0.0.1:{free_port()}/{{name}}"
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, url, settings(unreachable_seconds=0.3))
    await publish(bus, event_of())
    await eventually(lambda: settled(js))
    letter = await js.get_last_msg(DEAD_LETTERS, "dlq.tenant.updated")
    assert "unreachable" in (letter.headers or {})[dead_letters.REASON]


async def test_a_router_without_the_function_is_not_the_functions_refusal(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    deployed = False

    async def route(_: Call) -> web.Response:
        return answer() if deployed else web.Response(status=404)

    receiver.behaviour = route
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url)
    await publish(bus, event_of())
    await eventually(lambda: len(receiver.calls) > 2)
    deployed = True
    await eventually(lambda: settled(js))
    assert await letters(js) == 0


async def test_a_function_gets_no_more_at_once_than_it_can_serve(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    at_once, most = 0, 0

    async def count(_: Call) -> web.Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.005)
        at_once -= 1
        return answer()

    receiver.behaviour = count
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url, settings(in_flight=4))
    await publish(bus, *(event_of() for _ in range(60)))
    await eventually(lambda: settled(js))
    assert most == 4


async def test_replicas_share_the_events(
    nats: Server, bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    catalogue = make_catalogue(mirror=("tenant.updated",))
    for replica in (bus, running.bus(nats), running.bus(nats)):
        running.dispatch(catalogue, replica, receiver.url)
    events = [event_of() for _ in range(200)]
    await publish(bus, *events)
    await eventually(lambda: settled(js))
    assert sorted(receiver.ids()) == sorted(event.id for event in events)


async def test_a_replayed_event_reaches_only_the_function_it_is_meant_for(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    running.dispatch(make_catalogue(mirror=("tenant.updated",), greeter=("tenant.updated",)), bus, receiver.url)
    event = event_of()
    only = {dead_letters.ONLY_FUNCTION: MIRROR}
    await bus.publish(event.type, event.to_json(), message_id="replay", headers=only)
    await eventually(lambda: settled(js))
    await eventually(lambda: settled(js, "test-greeter"))
    assert [call.function for call in receiver.calls] == [MIRROR]


async def test_a_deleted_consumer_is_declared_anew(
    bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url)
    first, second = event_of(), event_of()
    await publish(bus, first)
    await eventually(lambda: settled(js))
    await js.delete_consumer(EVENTS, MIRROR)
    await publish(bus, second)
    # A new consumer begins at the beginning; functions are idempotent.
    await eventually(lambda: second.id in receiver.ids())


async def test_a_function_may_subscribe_to_more(
    nats: Server, bus: Bus, js: JetStreamContext, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url)
    await publish(bus, event_of())
    await eventually(lambda: settled(js))
    newer = running.bus(nats)
    await newer.session()
    running.dispatch(make_catalogue(mirror=("tenant.updated", "tenant.created")), newer, receiver.url)

    async def updated() -> bool:
        return bool((await js.consumer_info(EVENTS, MIRROR)).config.filter_subjects)

    await eventually(updated)
    created = event_of("tenant.created")
    await publish(bus, created)
    await eventually(lambda: created.id in receiver.ids())
