"""The event plane as a process: killed, stopped, started before its servers, and left without them."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest_asyncio
import redis.asyncio
from aiohttp import web
from nats.js import JetStreamContext

from functions.kit.identifiers import new_id
from stateful.nats.connection import Bus
from stateful.nats.streams import EVENTS
from tests.integration.stateful.nats.conftest import MakeCatalogue
from tests.integration.stateful.nats.databases import PlatformDatabase
from tests.integration.stateful.nats.process import Process
from tests.integration.stateful.nats.receiver import Call, Receiver, answer
from tests.integration.stateful.nats.running import FAST, Running, event_of, publish
from tests.integration.stateful.nats.servers import Server, nats_server
from tests.integration.stateful.nats.test_dispatcher import MIRROR, settled
from tests.integration.stateful.nats.test_usage import record, settle
from tests.integration.stateful.nats.waiting import eventually


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_an_event_of_a_killed_dispatcher_is_delivered_again(
    nats: Server, bus: Bus, js: JetStreamContext, receiver: Receiver, tmp_path: Path
) -> None:
    hang = asyncio.Event()

    async def hold(_: Call) -> web.Response:
        await hang.wait()
        return answer()

    receiver.behaviour = hold
    event = event_of()
    await publish(bus, event)
    first, second = (Process(tmp_path / name, nats, receiver.url) for name in ("first", "second"))
    try:
        first.launch()
        await eventually(lambda: len(receiver.calls) == 1, seconds=15, what=first.log())
        first.kill()
        hang.set()
        second.launch()
        await eventually(lambda: receiver.ids() == [event.id] * 2, seconds=15)
        await eventually(lambda: settled(js))
    finally:
        hang.set()
        first.kill()
        second.kill()


async def test_a_stopped_dispatcher_finishes_what_it_has_in_hand(
    nats: Server, bus: Bus, js: JetStreamContext, receiver: Receiver, tmp_path: Path
) -> None:
    finish = asyncio.Event()

    async def hold(_: Call) -> web.Response:
        await finish.wait()
        return answer()

    receiver.behaviour = hold
    await publish(bus, event_of())
    dispatcher = Process(tmp_path / "dispatcher", nats, receiver.url)
    try:
        dispatcher.launch()
        await eventually(lambda: len(receiver.calls) == 1, seconds=15)
        stopping = asyncio.create_task(asyncio.to_thread(dispatcher.stop))
        await eventually(lambda: "draining" in dispatcher.log())
        # What comes while it drains is for others.
        late = event_of()
        await publish(bus, late)
        finish.set()
        assert await stopping in {0, -15}, dispatcher.log()
        info = await js.consumer_info(EVENTS, MIRROR)
        assert (info.num_ack_pending, info.num_pending) == (0, 1)
        assert late.id not in receiver.ids()
    finally:
        finish.set()
        dispatcher.kill()


async def test_readiness_tells_what_is_away(
    folder: Path, receiver: Receiver, tmp_path: Path, http: aiohttp.ClientSession, running: Running
) -> None:
    nats = nats_server(folder / new_id())
    dispatcher = Process(tmp_path / "dispatcher", nats, receiver.url)
    url = f"http://{dispatcher.address}"

    async def readiness() -> tuple[int, str, str]:
        async with http.get(f"{url}/health/ready") as response:
            report = json.loads(await response.text())
            return response.status, report["status"], report["checks"]["nats"]["status"]

    async def ready() -> bool:
        return (await readiness())[0] == 200

    try:
        await asyncio.to_thread(dispatcher.start)
        assert await readiness() == (503, "down", "down")
        async with http.get(f"{url}/health/live") as response:
            assert response.status == 200
        nats.start()
        await eventually(ready)
        # Postgres, Redis and Temporal are away as well: it goes on dispatching.
        assert await readiness() == (200, "degraded", "ok")
        await publish_on(running, nats)
        await eventually(lambda: len(receiver.calls) == 1)
        async with http.get(f"{url}/metrics") as response:
            assert 'dcoder_dispatch_events_total{function="test-mirror",outcome="handled"} 1.0' in await response.text()
    finally:
        dispatcher.kill()
        nats.kill()


async def test_a_row_and_a_record_reach_functions_by_way_of_the_process(
    nats: Server,
    database: PlatformDatabase,
    redis_client: "redis.asyncio.Redis",
    redis_process: Server,
    temporal: Server,
    receiver: Receiver,
    tmp_path: Path,
    http: aiohttp.ClientSession,
) -> None:
    dispatcher = Process(
        tmp_path / "dispatcher",
        nats,
        receiver.url,
        ("tenant.updated", "quota.updated"),
        DCODER_DATABASE_URL=database.url,
        DCODER_REDIS_URL=f"redis://{redis_process.address}/0",
        DCODER_TEMPORAL_ADDRESS=temporal.address,
        DCODER_TEMPORAL_NAMESPACE="default",
    )
    emitted = event_of()
    await database.emit(emitted)
    [usage_id] = await settle(redis_client, record())
    try:
        await asyncio.to_thread(dispatcher.start)
        await eventually(lambda: len(receiver.calls) == 2)
        received = {call.event.type: call.event for call in receiver.calls}
        assert received["tenant.updated"] == emitted
        assert received["quota.updated"].data["records"][0]["usageId"] == usage_id

        async def sound() -> bool:
            async with http.get(f"http://{dispatcher.address}/health/ready") as response:
                return (response.status, (await response.json())["status"]) == (200, "ok")

        await eventually(sound)
    finally:
        dispatcher.kill()


async def publish_on(running: Running, nats: Server) -> None:
    bus = running.bus(nats)
    await bus.session()
    await publish(bus, event_of())


async def test_nothing_is_lost_when_nats_restarts(
    nats: Server, bus: Bus, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    settings = FAST.model_copy(update={"ack_wait_seconds": 0.5})
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url, settings)
    events = [event_of(n=n) for n in range(300)]
    await publish(bus, *events[:150])
    await eventually(lambda: len(receiver.calls) > 20)
    nats.kill()
    await eventually(lambda: not bus.ready)
    nats.start()
    await bus.session()
    await publish(bus, *events[150:])
    await eventually(lambda: set(receiver.ids()) == {event.id for event in events})

    async def all_settled() -> bool:
        return await settled((await bus.session())[1])

    await eventually(all_settled)


async def test_a_server_that_lost_its_streams_gets_them_again(
    nats: Server, bus: Bus, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url)
    await publish(bus, event_of())
    await eventually(lambda: len(receiver.calls) == 1)
    nats.kill()
    await eventually(lambda: not bus.ready)
    shutil.rmtree(nats.folder / "jetstream")
    nats.start()
    await bus.session()
    event = event_of()
    await publish(bus, event)
    await eventually(lambda: event.id in receiver.ids())
