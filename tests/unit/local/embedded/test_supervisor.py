"""The supervisor with tiny real processes."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.embedded.component import Component, PreparationError, Stage
from local.embedded.probes import NotHealthy, Recovering
from local.embedded.processes import ProcessIdentity
from local.embedded.state import Phase, StackState
from local.embedded.supervisor import Supervisor, clear_leftovers
from local.embedded.unit import Patience
from local.paths import Home

# Writes its process id to a file, says goodbye to another when it is told to stop.
SERVER = """
import os, pathlib, signal, sys, time
up, log, name = map(pathlib.Path, sys.argv[1:])
def stop(*_):
    with log.open("a") as file: print("stopped", name, file=file)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
half = up.with_suffix(".half")
half.write_text(str(os.getpid()))
half.replace(up)
with log.open("a") as file: print("started", name, file=file)
print("listening", flush=True)
while True: time.sleep(0.05)
"""
QUICK = Patience(
    between_first_probes=0.01, between_probes=0.02, probe=1.0, start=3.0, hung=0.3, settled=60.0, shortest_pause=0.02
)


class Scene:
    """A home with a few servers in it."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.create()
        self.log = folder / "order"
        self.log.touch()

    def file(self, name: str) -> Path:
        return self.home.root / f"{name}.up"

    def pid(self, name: str) -> int:
        return int(self.file(name).read_text())

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def component(self, name: str, **changes: Any) -> Component:
        async def probe() -> str:
            if not self.file(name).exists():
                raise NotHealthy("it is not up")
            return "1.0"

        defaults: dict[str, Any] = {
            "name": name,
            "address": "",
            "command": (sys.executable, "-c", SERVER, str(self.file(name)), str(self.log), name),
            "environment": dict(os.environ),
            "folder": self.home.root,
            "probe": probe,
            "prepare": lambda: self.file(name).unlink(missing_ok=True),
            "grace": 5.0,
        }
        return Component(**(defaults | changes))

    def state(self) -> StackState:
        state = StackState.read(self.home.state)
        assert state is not None
        return state

    def is_ready(self) -> bool:
        state = StackState.read(self.home.state)
        return state is not None and state.is_ready

    def restarts(self, name: str) -> int:
        state = StackState.read(self.home.state)
        return state.components[name].restarts if state else 0

    @asynccontextmanager
    async def running(
        self, *components: Component, ready: bool = True, patience: Patience = QUICK
    ) -> AsyncIterator[Supervisor]:
        supervisor, stopping = Supervisor(self.home, components, patience=patience), asyncio.Event()
        task = asyncio.create_task(supervisor.run(stopping))
        try:
            if ready:
                await eventually(self.is_ready)
            yield supervisor
        finally:
            stopping.set()
            await asyncio.wait_for(task, 20)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


async def test_starts_in_order_of_need_and_stops_in_stages(scene: Scene) -> None:
    traffic = scene.component("traffic", after=("server",), stage=Stage.TRAFFIC)
    async with scene.running(traffic, scene.component("server")):
        assert scene.lines() == ["started server", "started traffic"]
    assert scene.lines()[2:] == ["stopped traffic", "stopped server"]
    assert {part.phase for part in scene.state().components.values()} == {Phase.STOPPED}


async def test_reports_version_process_and_time(scene: Scene) -> None:
    async with scene.running(scene.component("server")):
        part = scene.state().components["server"]
        assert part.version == "1.0"
        assert part.process is not None
        assert part.process.pid == scene.pid("server")
        assert part.milliseconds is not None


async def test_a_component_that_recovers_is_not_killed_however_long_it_takes(scene: Scene) -> None:
    asked = 0

    async def probe() -> str:
        nonlocal asked
        asked += 1
        # Far longer than a component may be unwell.
        if not scene.file("server").exists() or asked * QUICK.between_first_probes < 4 * QUICK.hung:
            raise Recovering("the database system is starting up")
        return "1.0"

    patience = replace(QUICK, start=QUICK.hung)
    async with scene.running(scene.component("server", probe=probe), patience=patience):
        assert scene.lines() == ["started server"]
        assert scene.restarts("server") == 0


async def test_a_killed_component_comes_back(scene: Scene) -> None:
    async with scene.running(scene.component("server")):
        first = scene.pid("server")
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: scene.restarts("server") == 1 and scene.is_ready())
        assert scene.pid("server") != first


async def test_a_component_that_cannot_start_is_tried_again_with_longer_pauses(scene: Scene) -> None:
    failing = scene.component("server", command=(sys.executable, "-c", "print('no licence'); raise SystemExit(3)"))
    async with scene.running(failing, ready=False):
        await eventually(lambda: scene.restarts("server") >= 3)
        assert scene.state().components["server"].detail == "ended with status 3: no licence"
        assert not scene.is_ready()


def test_pauses_double_up_to_the_longest() -> None:
    patience = Patience(shortest_pause=0.1, longest_pause=5.0)
    assert [patience.pause(failures) for failures in (0, 1, 2, 3, 10)] == [0.1, 0.2, 0.4, 0.8, 5.0]


async def test_what_cannot_be_prepared_says_why_and_is_tried_again(scene: Scene) -> None:
    attempts: list[int] = []

    def prepare() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise PreparationError("the disk is full")

    async with scene.running(scene.component("server", prepare=prepare)):
        assert len(attempts) == 3
        assert scene.restarts("server") == 2


async def test_a_component_that_hangs_is_killed_and_started_again(scene: Scene) -> None:
    async with scene.running(scene.component("server")):
        first = scene.pid("server")
        scene.file("server").unlink()
        await eventually(lambda: scene.file("server").exists() and scene.pid("server") != first)
        await eventually(scene.is_ready)


async def test_one_that_recovers_in_time_is_not_killed(scene: Scene) -> None:
    async with scene.running(scene.component("server")):
        content = scene.file("server").read_text()
        scene.file("server").unlink()
        await eventually(lambda: scene.state().components["server"].phase is Phase.UNHEALTHY)
        scene.file("server").write_text(content)
        await eventually(scene.is_ready)
        assert scene.restarts("server") == 0


async def test_a_job_runs_once_and_what_needs_it_waits(scene: Scene) -> None:
    job = scene.component("job", command=(sys.executable, "-c", "print('done')"), probe=None)
    async with scene.running(scene.component("server", after=("job",)), job):
        part = scene.state().components["job"]
        assert part.phase is Phase.DONE
        assert part.restarts == 0
    assert scene.state().components["job"].phase is Phase.DONE


async def test_a_failing_job_is_repeated_until_it_succeeds(scene: Scene) -> None:
    tries = scene.home.root / "tries"
    tries.touch()
    script = f"printf x >> '{tries}'; [ $(wc -c < '{tries}') = 3 ]"
    job = scene.component("job", command=("/bin/sh", "-c", script), probe=None)
    async with scene.running(job):
        assert tries.read_text() == "xxx"


async def test_one_that_ignores_the_signal_is_killed_after_its_grace(scene: Scene) -> None:
    deaf = SERVER.replace("signal.signal(signal.SIGTERM, stop)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    arguments = (str(scene.file("server")), str(scene.log), "server")
    component = scene.component("server", command=(sys.executable, "-c", deaf, *arguments), grace=0.2)
    async with scene.running(component):
        identity = ProcessIdentity.of(scene.pid("server"))
    assert identity is not None
    assert not identity.is_alive()


async def test_stopping_does_not_wait_for_what_never_started(scene: Scene) -> None:
    never = scene.component("never", command=(sys.executable, "-c", "raise SystemExit(1)"))
    waiting = scene.component("waiting", after=("never",))
    began = time.monotonic()
    async with scene.running(never, waiting, ready=False):
        await eventually(lambda: scene.restarts("never") >= 1)
    assert time.monotonic() - began < 10
    assert scene.lines() == []


async def test_ports_are_released_right_before_the_start(scene: Scene) -> None:
    released: list[tuple[str, ...]] = []
    stopping = asyncio.Event()
    component = scene.component("server", ports=("web", "web-tls"))
    supervisor = Supervisor(scene.home, [component], patience=QUICK, release=lambda *names: released.append(names))
    task = asyncio.create_task(supervisor.run(stopping))
    await eventually(scene.is_ready)
    stopping.set()
    await asyncio.wait_for(task, 20)
    assert released == [("web", "web-tls")]


async def test_leftovers_of_a_killed_supervisor_are_ended(scene: Scene) -> None:
    async with scene.running(scene.component("server")):
        identity = ProcessIdentity.of(scene.pid("server"))
        assert identity is not None
        # As another supervisor of the same home would find it.
        await asyncio.to_thread(clear_leftovers, scene.home, [])
        assert not identity.is_alive()
