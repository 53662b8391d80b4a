"""One component under supervision: started, asked for its health, restarted when it dies or hangs, stopped."""

import asyncio
import logging
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.embedded.component import Component, PreparationError
from local.embedded.logs import last_words
from local.embedded.probes import NotHealthy, Recovering
from local.embedded.processes import ProcessIdentity, group_of
from local.embedded.state import ComponentState, Phase, ReportedProcess

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits for what, in seconds.

    Attributes:
        start: until a started component must be healthy, or at least say that it recovers.
        hung: how long a component may be unhealthy before it is killed and started again.
        settled: a component that ran for so long is started again without delay when it dies.
    """

    between_first_probes: float = 0.03
    between_probes: float = 3.0
    probe: float = 5.0
    start: float = 60.0
    hung: float = 45.0
    settled: float = 20.0
    shortest_pause: float = 0.1
    longest_pause: float = 5.0

    def pause(self, failures: int) -> float:
        """Back-off before the start that follows so many failures in a row."""
        return min(self.longest_pause, self.shortest_pause * 2.0 ** min(failures, 16))


class Unit:
    """A component and its process.

    Args:
        changed: called when `state` has changed.
        release: called with the names of the component's ports right before it starts.
    """

    def __init__(
        self,
        component: Component,
        log: Path,
        patience: Patience,
        *,
        changed: Callable[[], None],
        release: Callable[..., None],
    ) -> None:
        self.component = component
        self.state = ComponentState(
            name=component.name, address=component.address, version=component.version, is_job=component.is_job
        )
        self.good = asyncio.Event()
        self._log = log
        self._patience = patience
        self._changed = changed
        self._release = release
        self._stopping = asyncio.Event()
        self._failures = 0
        self._keeper: asyncio.Task[None] | None = None

    def start(self, needs: Sequence["Unit"]) -> "asyncio.Task[None]":
        """Run the component once those it needs are healthy; the task ends after `stop`, a job's when it succeeded."""
        self._keeper = asyncio.create_task(self._keep(needs), name=self.component.name)
        return self._keeper

    async def stop(self) -> None:
        """Let the process finish what it does, kill it when it takes too long, and leave nothing of its group."""
        self._stopping.set()
        if self._keeper is None or self._keeper.done():
            return
        self._signal(self.component.stop_signal)
        await asyncio.wait([self._keeper], timeout=self.component.grace)
        if not self._keeper.done():
            _logger.warning("%s does not stop within %g s and is killed", self.component.name, self.component.grace)
        self._kill_group()
        await asyncio.wait([self._keeper])

    def hasten(self) -> None:
        """End the process at once."""
        self._stopping.set()
        self._kill_group()

    async def _keep(self, needs: Sequence["Unit"]) -> None:
        for need in needs:
            await self._first(need.good.wait(), self._stopping.wait())
        while not self._stopping.is_set():
            began = time.monotonic()
            await self._run()
            if self._stopping.is_set() or self.state.phase is Phase.DONE:
                break
            pause = self._patience.pause(self._failures)
            self._failures = 0 if time.monotonic() - began > self._patience.settled else self._failures + 1
            self.state.restarts += 1
            self._report(Phase.RESTARTING)
            await self._first(self._stopping.wait(), asyncio.sleep(pause))
        if self.state.phase is not Phase.DONE:
            self.state.detail = ""
            self._report(Phase.STOPPED)

    async def _run(self) -> None:
        self._report(Phase.STARTING)
        try:
            await asyncio.to_thread(self.component.prepare)
            if not self._stopping.is_set():
                async with self._process() as process:
                    await self._watch(process)
        except (PreparationError, OSError, subprocess.SubprocessError) as error:
            self.state.detail = str(error)

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        component = self.component
        self._release(*component.ports)
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *component.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=component.folder,
                env=dict(component.environment),
                start_new_session=True,
                umask=0o077,
                user=component.user,
                group=component.user,
                extra_groups=None if component.user is None else [],
            )
        identity = ProcessIdentity.of(process.pid)
        self.state.process = ReportedProcess.of(identity) if identity else None
        self._changed()
        try:
            if self._stopping.is_set():
                self._signal(component.stop_signal)
            yield process
        finally:
            # What the process started may outlive it and hold its port: nginx's workers do.
            self._kill_group()
            await process.wait()
            self.good.clear()
            self.state.process = None
            component.cleanup()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        began = time.monotonic()
        ended = asyncio.create_task(process.wait())
        try:
            if self.component.probe is None:
                await ended
            else:
                await self._probe_until(ended, began)
        finally:
            ended.cancel()
        if self.component.is_job and process.returncode == 0:
            self._report_good(Phase.DONE, began)
        elif process.returncode is not None:
            self.state.detail = self._ending(process.returncode)

    async def _probe_until(self, ended: "asyncio.Task[int]", began: float) -> None:
        """Ask for health until the process has ended, or has been unwell for so long that it is to be killed."""
        deadline = began + self._patience.start
        while not ended.done() and not self._stopping.is_set():
            trouble = await self._ask()
            if trouble is None or isinstance(trouble, Recovering):
                deadline = time.monotonic() + self._patience.hung
            if trouble is None:
                if not self.good.is_set():
                    self._report_good(Phase.HEALTHY, began)
            else:
                self._note_unhealthy(self._words(trouble))
                if time.monotonic() > deadline:
                    self.state.detail = f"not healthy for too long: {self.state.detail}"
                    return
            patience = self._patience
            pause = patience.between_probes if self.good.is_set() else patience.between_first_probes
            await asyncio.wait([ended], timeout=pause)
        await ended

    async def _ask(self) -> Exception | None:
        """What is wrong; None when nothing is."""
        if self.component.probe is None:
            return None
        try:
            async with asyncio.timeout(self._patience.probe):
                self.state.version = await self.component.probe() or self.state.version
        except (NotHealthy, OSError, EOFError) as error:
            return error
        return None

    def _words(self, trouble: Exception) -> str:
        # TimeoutError is an OSError, and has no words of its own.
        return str(trouble) or f"no answer within {self._patience.probe:g} s"

    def _note_unhealthy(self, trouble: str) -> None:
        was_good, known = self.good.is_set(), self.state.detail
        self.good.clear()
        self.state.detail = trouble
        if was_good:
            self._report(Phase.UNHEALTHY)
        elif trouble != known:
            self._changed()

    def _report_good(self, phase: Phase, began: float) -> None:
        if self.state.phase is not Phase.UNHEALTHY:
            self.state.milliseconds = round((time.monotonic() - began) * 1000)
        self.state.detail = ""
        self.good.set()
        self._report(phase)

    def _ending(self, code: int) -> str:
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        return f"ended with status {code}: {last_words(self._log)}"

    def _report(self, phase: Phase) -> None:
        self.state.phase = phase
        _logger.info("%s is %s%s", self.component.name, phase, f": {self.state.detail}" if self.state.detail else "")
        self._changed()

    def _signal(self, number: signal.Signals) -> None:
        if self.state.process:
            self.state.process.identity().send(number)

    def _kill_group(self) -> None:
        if self.state.process:
            for member in group_of(self.state.process.identity()):
                member.send(signal.SIGKILL)

    @staticmethod
    async def _first(*waits: Coroutine[Any, Any, object]) -> None:
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
