"""The long-lived process that starts every component, keeps it running and stops all in order."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from local.embedded.component import Component
from local.embedded.logs import rotate
from local.embedded.processes import ProcessIdentity, group_of, stop, strays, wait_reaped
from local.embedded.state import ReportedProcess, StackState
from local.embedded.unit import Patience, Unit
from local.paths import Home

_ROTATION_SECONDS = 15.0


class Supervisor:
    """Runs components until it is told to stop.

    Args:
        release: called with the names of a component's ports right before it starts.
    """

    def __init__(
        self,
        home: Home,
        components: Sequence[Component],
        *,
        patience: Patience | None = None,
        release: Callable[..., None] = lambda *_: None,
    ) -> None:
        self._home = home
        self._units = {
            component.name: Unit(
                component,
                home.log(component.name),
                patience or Patience(),
                changed=self._report,
                release=release,
            )
            for component in components
        }
        identity = ProcessIdentity.of(os.getpid())
        if identity is None:
            raise RuntimeError("/proc is needed to supervise processes")
        self._state = StackState(
            supervisor=ReportedProcess.of(identity),
            started_at=time.time(),
            components={name: unit.state for name, unit in self._units.items()},
        )

    async def run(self, stopping: asyncio.Event, hasten: asyncio.Event | None = None) -> None:
        """Start everything in parallel, each as soon as what it needs is healthy; return once all is stopped."""
        self._report()
        keepers = [unit.start(self._needs(unit)) for unit in self._units.values()]
        for keeper in keepers:
            # A keeper fails only by a fault of ours; the rest is then stopped in order and the fault raised.
            keeper.add_done_callback(lambda task: stopping.set() if not task.cancelled() and task.exception() else None)
        beside = [asyncio.create_task(self._rotate()), asyncio.create_task(self._hurry(hasten))]
        try:
            await stopping.wait()
        finally:
            self._state.stopping = True
            self._report()
            await self._stop_all()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        await asyncio.gather(*keepers)

    def _needs(self, unit: Unit) -> list[Unit]:
        """What must be healthy first; servers that run elsewhere are not ours to wait for."""
        return [self._units[name] for name in unit.component.after if name in self._units]

    async def _stop_all(self) -> None:
        for stage in sorted({unit.component.stage for unit in self._units.values()}):
            await asyncio.gather(*(unit.stop() for unit in self._units.values() if unit.component.stage is stage))

    async def _hurry(self, hasten: asyncio.Event | None) -> None:
        if hasten is not None:
            await hasten.wait()
            for unit in self._units.values():
                unit.hasten()

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(_ROTATION_SECONDS)
            for name, unit in self._units.items():
                for log in (self._home.log(name), *unit.component.logs):
                    await asyncio.to_thread(rotate, log)

    def _report(self) -> None:
        self._state.write(self._home.state)


def clear_leftovers(home: Home, folders: Iterable[Path]) -> None:
    """End every process that an earlier supervisor of this home left behind, and wait until they are gone."""
    recorded = StackState.read(home.state)
    left = set(strays(*folders))
    for leader in recorded.processes() if recorded else ():
        left.update(group_of(leader))
    stop(left, seconds=10)
    wait_reaped(left, seconds=1)


async def supervise(home: Home, components: Sequence[Component], *, release: Callable[..., None]) -> None:
    """Run until SIGTERM or SIGINT; a second one ends everything at once."""
    stopping, hasten = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hasten if stopping.is_set() else stopping).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await Supervisor(home, components, release=release).run(stopping, hasten)
