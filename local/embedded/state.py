"""What the supervisor reports: itself, its components and how each is doing. Other commands read it from a file."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from local.embedded.processes import ProcessIdentity
from local.paths import write_private


class Phase(StrEnum):
    """Where a component is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    DONE = "done"
    STOPPED = "stopped"


class _Reported(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class ReportedProcess(_Reported):
    """A process by its identity."""

    pid: int
    started: str

    @classmethod
    def of(cls, identity: ProcessIdentity) -> "ReportedProcess":
        """The report of an identity."""
        return cls(pid=identity.pid, started=identity.started)

    def identity(self) -> ProcessIdentity:
        """What is needed to signal it safely."""
        return ProcessIdentity(self.pid, self.started)


class ComponentState(_Reported):
    """One component.

    Attributes:
        milliseconds: from its last start until it was healthy, or, for a job, until it was done.
        detail: why it is not healthy.
    """

    name: str
    address: str
    version: str = ""
    is_job: bool = False
    phase: Phase = Phase.WAITING
    process: ReportedProcess | None = None
    milliseconds: int | None = None
    restarts: int = 0
    detail: str = ""

    @property
    def is_good(self) -> bool:
        """Healthy, or done."""
        return self.phase in {Phase.HEALTHY, Phase.DONE}


class StackState(_Reported):
    """The whole stack."""

    supervisor: ReportedProcess
    started_at: float
    stopping: bool = False
    components: dict[str, ComponentState] = {}

    @property
    def is_ready(self) -> bool:
        """Whether every component is healthy and every job done."""
        states = self.components.values()
        return not self.stopping and bool(states) and all(state.is_good for state in states)

    def write(self, path: Path) -> None:
        """Report."""
        write_private(path, self.model_dump_json(by_alias=True))

    @classmethod
    def read(cls, path: Path) -> "StackState | None":
        """The last report, None when there is none; its supervisor may be gone."""
        try:
            return cls.model_validate_json(path.read_text())
        except (FileNotFoundError, ValidationError):
            return None

    def is_supervised(self) -> bool:
        """Whether the supervisor that wrote this is alive."""
        return self.supervisor.identity().is_alive()

    def processes(self) -> list[ProcessIdentity]:
        """Every component's process, alive or not."""
        return [state.process.identity() for state in self.components.values() if state.process]
