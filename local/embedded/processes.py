"""Processes of other programs, told apart from later ones that got the same process id."""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

HOME_VARIABLE = "DCODER_EMBEDDED_HOME"
# These write their title over their environment, so they are known by their folder instead.
_WITHOUT_ENVIRONMENT = {"postgres", "nginx"}


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process id with the moment the process started: together they are never used twice.

    Attributes:
        started: opaque; equal only for the same process of the same boot.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The identity of a process that is alive now."""
        started = _started(pid)
        return cls(pid, started) if started else None

    def is_alive(self) -> bool:
        """Whether that very process still runs; one that waits to be reaped does not."""
        return _started(self.pid) == self.started

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to that very process, never to another one of the same id. True when it was sent."""
        try:
            # The descriptor pins the process: its id cannot pass to another between the check and the signal.
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return False
        try:
            if not self.is_alive():
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True


@lru_cache(maxsize=1)
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _started(pid: int) -> str | None:
    """Boot and clock ticks since it at which a living process started (proc(5), field 22 of stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else f"{_boot()}:{fields[19]}"


def group_of(leader: ProcessIdentity) -> list[ProcessIdentity]:
    """The members of the process group that `leader` founded, itself included, also when it is gone."""
    ticks = int(leader.started.rpartition(":")[2])
    return [
        member
        for member in _living()
        if _group(member.pid) == leader.pid and int(member.started.rpartition(":")[2]) >= ticks
    ]


def strays(*folders: Path) -> list[ProcessIdentity]:
    """Every process that was started for one of these state folders, recorded or not."""
    names = {str(folder) for folder in folders}
    return [process for process in _living() if process.pid != os.getpid() and _belongs(process.pid, names)]


def stop(processes: Iterable[ProcessIdentity], *, seconds: float) -> None:
    """Ask processes to end, kill those that have not after `seconds`, and return when all are gone.

    The signal is SIGINT: to every server of the stack it means to end soon and cleanly, also to Postgres, which
    takes SIGTERM for waiting until the last client has left.
    """
    remaining = [process for process in processes if process.send(signal.SIGINT)]
    if left := wait_gone(remaining, seconds=seconds):
        for process in left:
            process.send(signal.SIGKILL)
        wait_gone(left, seconds=10)


def wait_gone(processes: Iterable[ProcessIdentity], *, seconds: float) -> list[ProcessIdentity]:
    """Wait until all have ended; those that have not are returned."""
    deadline = time.monotonic() + seconds
    remaining = [process for process in processes if process.is_alive()]
    while remaining and time.monotonic() < deadline:
        time.sleep(0.02)
        remaining = [process for process in remaining if process.is_alive()]
    return remaining


def wait_reaped(processes: Iterable[ProcessIdentity], *, seconds: float) -> None:
    """Wait until the parents of ended processes have taken note, so that no process list shows them any more."""
    deadline = time.monotonic() + seconds
    remaining = list(processes)
    while remaining and time.monotonic() < deadline:
        remaining = [process for process in remaining if Path(f"/proc/{process.pid}").exists()]
        time.sleep(0.01)


def memory_mb(leader: ProcessIdentity, *, family: bool = True) -> float:
    """Memory of a process, and all below it, in MiB; what several share is counted once (proportional set size)."""
    if not leader.is_alive():
        return 0.0
    try:
        root = psutil.Process(leader.pid)
        counted = [root, *(root.children(recursive=True) if family else ())]
    except psutil.Error:
        return 0.0
    return round(sum(_memory(process) for process in counted) / 1024**2, 1)


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _living() -> Iterator[ProcessIdentity]:
    for pid in psutil.pids():
        if identity := ProcessIdentity.of(pid):
            yield identity


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _belongs(pid: int, folders: set[str]) -> bool:
    try:
        process = psutil.Process(pid)
        if process.name().rstrip(":") in _WITHOUT_ENVIRONMENT:
            place = Path(process.cwd())
            return bool(folders & {str(place), *map(str, place.parents)})
        return process.environ().get(HOME_VARIABLE) in folders
    except (psutil.Error, OSError):
        return False
