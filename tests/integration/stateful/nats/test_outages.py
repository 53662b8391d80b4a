"""The event plane as a process: killed, stopped, started before its servers, and left without them."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest_asyncio
from aiohttp import web
from nats.js import JetStreamContext

from functions.kit.identifiers import new_id
from stateful.nats.connection import Bus
from stateful.nats.streams import EVENTS
from tests.integration.stateful.nats.conftest import MakeCatalogue
from tests.integration.stateful.nats.receiver import Call, Receiver, answer
from tests.integration.stateful.nats.running import Running, event_of, publish, write_function
from tests.integration.stateful.nats.servers import Server, free_port, nats_server
from tests.integration.stateful.nats.test_dispatcher import MIRROR, settled
from tests.integration.stateful.nats.waiting import eventually

_MAIN = """
import sys
from pathlib import Path
from functions.kit.catalogue import load_catalogue
from stateful.nats.dispatcher.__main__ import main
main(load_catalogue(Path(sys.argv[1])))
"""


class Process(Server):
    """`python -m stateful.nats.dispatcher` with a catalogue of one function."""

    def __init__(self, folder: Path, nats: Server, url: str, **environment: str) -> None:
        folder.mkdir()
        write_function(folder / "functions" / "test" / "mirror", ("tenant.updated",))
        port = free_port()
        nowhere = f"127.0.0.1:{free_port()}"
        super().__init__(
            [sys.executable, "-c", _MAIN, str(folder / "functions")],
            port=port,
            folder=folder,
            environment={
                "PYTHONPATH": os.pathsep.join(sys.path),
                "PORT": str(port),
                "DCODER_NATS_URL": f"nats://{nats.address}",
                "DCODER_DATABASE_URL": f"postgresql://nobody@{nowhere}/platform",
                "DCODER_REDIS_URL": f"redis://{nowhere}/0",
                "DCODER_FUNCTION_URL": url,
                "DCODER_DISPATCHER_ACK_WAIT_SECONDS": "1",
                **environment,
            },
        )


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
        await eventually(lambda: "Shutting down" in dispatcher.log())
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
        # Postgres and Redis are away as well: it goes on dispatching.
        assert await readiness() == (200, "degraded", "ok")
        await publish_on(running, nats)
        await eventually(lambda: len(receiver.calls) == 1)
        async with http.get(f"{url}/metrics") as response:
            assert 'dcoder_dispatch_events_total{function="test-mirror",outcome="handled"} 1.0' in await response.text()
    finally:
        dispatcher.kill()
        nats.kill()


async def publish_on(running: Running, nats: Server) -> None:
    bus = running.bus(nats)
    await bus.session()
    await publish(bus, event_of())


async def test_nothing_is_lost_when_nats_restarts(
    nats: Server, bus: Bus, receiver: Receiver, make_catalogue: MakeCatalogue, running: Running
) -> None:
    running.dispatch(make_catalogue(mirror=("tenant.updated",)), bus, receiver.url)
    events = [event_of(n=n) for n in range(300)]
    await publish(bus, *events[:150])
    await eventually(lambda: len(receiver.calls) > 20)
    nats.kill()
    nats.start()
    await bus.session()
    await eventually(lambda: bus.ready)
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
    shutil.rmtree(nats.folder / "jetstream")
    nats.start()
    await eventually(lambda: not bus.ready)
    await bus.session()
    event = event_of()
    await publish(bus, event)
    await eventually(lambda: event.id in receiver.ids())
