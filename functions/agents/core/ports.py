"""What the engine and its API need from the outside."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from functions.agents.core.models import Execution, Interrupt, Json, Outcome, Place, Spent, Status, Step
from functions.kit.events import EventData
from functions.kit.service_tokens import OnBehalf

Check = Callable[[Mapping[str, Any], Any], Sequence[str]]
"""What is wrong with a value by a JSON schema."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which executions of a tenant are wanted.

    Attributes:
        owner: only theirs; None for everybody's.
    """

    owner: str | None
    status: Status | None = None
    graph_id: str | None = None


class Executions(Protocol):
    """A tenant's executions, within the unit of work."""

    async def add(self, place: Place, execution: Execution) -> None:
        """Enter one."""
        ...

    async def find(self, place: Place, execution_id: str, *, lock: bool = False) -> Execution | None:
        """One; locked, nobody else changes it until the unit of work ends."""
        ...

    async def page(self, place: Place, wanted: Filter, limit: int, before: str | None) -> Sequence[Execution]:
        """Those wanted, newest first."""
        ...

    async def steps(self, place: Place, execution_id: str) -> Sequence[Step]:
        """The steps of all runs, in their order."""
        ...

    async def reopen(self, place: Place, execution: Execution) -> None:
        """Have an execution that has ended run again, as this says."""
        ...

    async def begin(self, place: Place, execution_id: str, run: int, at: datetime) -> bool:
        """Note that a run works; False when that is known or the run is not the present one."""
        ...

    async def record(self, place: Place, execution_id: str, step: Step) -> bool:
        """Note a step and what it used; False when it is known."""
        ...

    async def find_step(self, place: Place, execution_id: str, run: int, number: int) -> Step | None:
        """A step of a run."""
        ...

    async def wait(self, place: Place, execution_id: str, run: int, interrupt: Interrupt | None) -> None:
        """Note what a run waits for, or that it goes on."""
        ...

    async def end(self, place: Place, execution_id: str, run: int, outcome: Outcome, at: datetime) -> bool:
        """Note how a run ended; False when that is known."""
        ...


class Engine(Protocol):
    """Runs executions durably."""

    async def start(self, place: Place, execution_id: str, run: int) -> None:
        """Have a run worked on; sound to repeat. It does nothing unless the run's row is there soon.

        Raises:
            DependencyUnavailable: it is away. Whether it has heard may be unknown; what it heard it drops by itself.
        """
        ...

    async def cancel(self, place: Place, execution_id: str, run: int) -> bool:
        """Ask a run to end; False when none works.

        Raises:
            DependencyUnavailable: it is away.
        """
        ...

    async def respond(self, place: Place, execution_id: str, run: int, interrupt_id: str, response: Json) -> None:
        """Give what is waited for; sound to repeat.

        Raises:
            InterruptNotPending: it is not waited for.
            DependencyUnavailable: it is away, or nobody works just now.
        """
        ...


class Events(Protocol):
    """The event bus, as far as a use case sees it."""

    def publish(self, data: EventData, place: Place, event_id: str) -> None:
        """Say it if and only if the unit of work on the tenant's database commits."""
        ...


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer.

    Attributes:
        message: OpenAI's assistant message.
    """

    message: Json
    spent: Spent


class ChatModel(Protocol):
    """The tenant's models, by way of the gateway."""

    async def complete(self, behalf: OnBehalf, body: Json, key: str) -> Completion:
        """A whole answer; the same for the same key.

        Raises:
            DependencyUnavailable: the gateway or the provider is away.
            RateLimited: a limit of the tenant's is reached.
            ModelRefused: the gateway does not take the request.
        """
        ...

    async def stream(self, behalf: OnBehalf, body: Json, told: Callable[[str], Awaitable[None]]) -> Completion:
        """The same, each piece of text told as it comes."""
        ...


class DefaultModels(Protocol):
    """The tenants' choices."""

    async def chat(self, tenant_id: str) -> str:
        """The model that is asked where none is named.

        Raises:
            NoDefaultModel: the tenant has chosen none.
        """
        ...


class Live(Protocol):
    """What happens in an execution just now, for whoever watches; kept for a while, and lost with Redis."""

    async def say(self, place: Place, execution_id: str, name: str, data: Json) -> None:
        """Tell something; nothing is raised when nobody can be told."""
        ...

    def follow(self, place: Place, execution_id: str, after: str) -> AsyncIterator[tuple[str, str, Json] | None]:
        """What was told after an id (`0` for all that is kept), each with its id and name; None when there is none."""
        ...
