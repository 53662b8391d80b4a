"""What the supervisor needs to know of a part of the stack."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from local.embedded.probes import Probe


class PreparationError(Exception):
    """A part cannot be started as things are; the message says what is missing."""


class Stage(IntEnum):
    """The order of stopping. What others call stops after them."""

    TRAFFIC = 0
    EVENTS = 1
    SIMULATION = 2
    SERVERS = 3


def nothing() -> None:
    """What is done for a part that needs no preparation, or leaves nothing behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of the stack: one process, and what that starts.

    Attributes:
        address: where clients reach it.
        environment: the whole environment of the process.
        probe: asked until it answers, and again every few seconds; None for a job, which ends by itself.
        after: parts that must be healthy first.
        ports: names of ports to hand over when it starts.
        version: of the server, unless the probe tells it.
        user: user and group id to run as, when not our own.
        logs: files it writes besides its output.
        prepare: called before each start, in a thread.
        cleanup: called after each end.
        grace: seconds it may take to finish what it is doing.
    """

    name: str
    address: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    probe: Probe | None = None
    after: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    version: str = ""
    user: int | None = None
    logs: tuple[Path, ...] = ()
    prepare: Callable[[], None] = field(default=nothing)
    cleanup: Callable[[], None] = field(default=nothing)
    stop_signal: signal.Signals = signal.SIGTERM
    stage: Stage = Stage.SERVERS
    grace: float = 10.0

    @property
    def is_job(self) -> bool:
        """Whether it does one thing and ends."""
        return self.probe is None
