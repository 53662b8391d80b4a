"""Starting, following and stopping the embedded stack."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from signal import SIGINT, SIGKILL, SIGTERM

from local.cli.errors import CommandError
from local.embedded.components import identity
from local.embedded.logs import last_words
from local.embedded.processes import ProcessIdentity, strays, wait_gone, wait_reaped
from local.embedded.stack import Stack
from local.embedded.state import ComponentState, Phase, StackState
from local.embedded.supervisor import clear_leftovers
from local.paths import Home

Say = Callable[[str], None]

_POLL = 0.05
_SPAWN_SECONDS = 60.0
# Functions drain for half a minute, the servers stop after them.
_STOP_SECONDS = 60.0
_TELLING_RESTARTS = 2


def running_state(home: Home) -> StackState:
    """The state of the running stack.

    Raises:
        CommandError: nothing runs.
    """
    state = StackState.read(home.state)
    if state is None or not state.is_supervised():
        raise CommandError("the platform is not running; start it with `dcoder up`")
    return state


def start(home: Home, *, fresh: bool, say: Say) -> None:
    """Make sure that a supervisor runs; with `fresh`, on empty state."""
    home.create()
    with home.starting():
        if fresh:
            _stop(home, say)
            _wipe(home)
            home.create()
        state = StackState.read(home.state)
        if state and state.stopping:
            wait_gone([state.supervisor.identity()], seconds=_STOP_SECONDS)
        if state is None or not state.is_supervised():
            if not identity.is_installed():
                _install_identity(say)
            _spawn(home)


def stop(home: Home, say: Say) -> bool:
    """Stop everything that belongs to a home. False when nothing was running."""
    if not home.exists:
        return False
    with home.starting():
        return _stop(home, say)


def restart(home: Home, name: str, *, seconds: float = 60.0) -> None:
    """End one component; the supervisor starts it anew. Returns once it is healthy.

    Raises:
        CommandError: there is no such component, or it does not come back in time.
    """
    state = running_state(home)
    servers = [part for part in state.components.values() if not part.is_job]
    part = next((part for part in servers if part.name == name), None)
    if part is None:
        raise CommandError(f"no component {name!r}; there are: {', '.join(part.name for part in servers)}")
    before = part.process.identity() if part.process else None
    if before:
        before.send(SIGINT)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        part = running_state(home).components[name]
        if part.is_good and part.process and part.process.identity() != before:
            return
        time.sleep(_POLL)
    raise CommandError(f"{name} does not come back: {part.detail or part.phase}")


class Follower:
    """Tells what happens to the components as the supervisor reports it."""

    def __init__(self, home: Home, say: Say) -> None:
        self._home = home
        self._say = say
        self._told: dict[str, tuple[str, int]] = {}

    def until_ready(self, seconds: float, waiting: Callable[[list[str]], None]) -> StackState:
        """Follow until the stack is ready.

        Args:
            waiting: called with the names of what is not ready yet.

        Raises:
            CommandError: it is not ready in time, or its supervisor ended.
        """
        deadline = time.monotonic() + seconds
        while True:
            state = self.look()
            if state.is_ready:
                return state
            late = [component for component in state.components.values() if not component.is_good]
            if time.monotonic() > deadline:
                reasons = "; ".join(f"{component.name}: {component.detail or component.phase}" for component in late)
                raise CommandError(f"not ready after {seconds:.0f} s ({reasons}); see `dcoder logs NAME`")
            waiting([component.name for component in late])
            time.sleep(_POLL)

    def look(self) -> StackState:
        """Tell what has changed since the last look.

        Raises:
            CommandError: the platform was stopped, or its supervisor died.
        """
        state = StackState.read(self._home.state)
        if state is None or not state.is_supervised():
            # Another command may have stopped it to start it anew: what counts is how it leaves it.
            with self._home.starting():
                state = StackState.read(self._home.state)
        if state is None:
            raise CommandError("the platform was stopped by another command")
        if not state.is_supervised():
            raise CommandError(f"the supervisor has died: {last_words(self._home.log('supervisor')) or 'killed'}")
        for component in state.components.values():
            self._tell(component)
        return state

    def _tell(self, component: ComponentState) -> None:
        now = (component.phase, component.restarts)
        before = self._told.get(component.name)
        if component.is_good and before != now:
            self._say(_good(component))
        elif component.phase in {Phase.RESTARTING, Phase.UNHEALTHY} and before != now:
            was_good = before is not None and before[0] in {Phase.HEALTHY, Phase.DONE}
            if was_good or component.restarts == _TELLING_RESTARTS:
                self._say(f"[red]✗[/] {component.name:<11} {component.detail}")
        elif before is not None:
            return
        self._told[component.name] = now


def _good(component: ComponentState) -> str:
    took = f"{component.milliseconds or 0:>6} ms"
    return f"[green]✓[/] {component.name:<11} {component.version:<8} {component.address:<24} {took}"


def _spawn(home: Home) -> None:
    log = home.log("supervisor")
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "local.embedded"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "DCODER_HOME": str(home.root)},
            cwd=home.root,
            start_new_session=True,
        )
    deadline = time.monotonic() + _SPAWN_SECONDS
    while True:
        state = StackState.read(home.state)
        if state and state.supervisor.pid == child.pid and state.is_supervised():
            return
        if child.poll() is not None or time.monotonic() > deadline:
            raise CommandError(f"the supervisor does not start: {last_words(log) or 'no reason given'}")
        time.sleep(_POLL)


def _stop(home: Home, say: Say) -> bool:
    folders = Stack.existing(home).folders()
    state = StackState.read(home.state)
    supervised = state is not None and state.is_supervised()
    if state and supervised:
        _stop_supervisor(state, say)
    left = bool(strays(*folders))
    clear_leftovers(home, folders)
    home.state.unlink(missing_ok=True)
    return supervised or left


def _stop_supervisor(state: StackState, say: Say) -> None:
    supervisor: ProcessIdentity = state.supervisor.identity()
    supervisor.send(SIGTERM)
    if wait_gone([supervisor], seconds=_STOP_SECONDS):
        say("[yellow]![/] the supervisor does not stop; ending it")
        supervisor.send(SIGKILL)
        wait_gone([supervisor], seconds=5)
    wait_reaped([supervisor], seconds=1)


def _wipe(home: Home) -> None:
    home.wipe()
    # The server's copy, if there is one, may stay: it is a program, not state.
    data = Stack.existing(home).postgres_place().data
    if data.exists():
        shutil.rmtree(data)


def _install_identity(say: Say) -> None:
    say("installing the identity provider's packages …")
    npm = shutil.which("npm")
    if npm is None:
        raise CommandError("Node 20 or newer with npm is needed, and no `npm` is on PATH")
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"], cwd=identity.PROGRAM, capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise CommandError(f"`npm ci` failed in {identity.PROGRAM}: {words[-1] if words else done.returncode}")
