"""What the registry of tools needs from the outside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.toolbox import ToolCall, ToolResult
from functions.kit.service_tokens import OnBehalf

# Tells what is wrong with arguments; nothing where they fit the schema.
Check = Callable[[Mapping[str, Any], Any], Sequence[str]]
CallState = Literal["new", "running", "finished", "unknown"]


class Spaces(Protocol):
    """The tenants."""

    async def of(self, tenant_id: str) -> Space:
        """The tenant's place.

        Raises:
            Forbidden: there is no such tenant, or it may not call now.
        """
        ...


class ToolSource(Protocol):
    """Where tools come from: the platform itself, or the tenant's MCP servers."""

    async def all(self, space: Space) -> Sequence[Tool]:
        """All of the tenant."""
        ...

    async def find(self, space: Space, name: str) -> Tool | None:
        """The tool of that name."""
        ...

    async def call(self, space: Space, call: ToolCall, setting: ToolSetting) -> ToolAnswer:
        """Have a tool do what it is there for.

        Raises:
            ToolFailed: it did not.
            DependencyUnavailable: something of the platform's own is away, and nothing was done.
        """
        ...


class ToolSettings(Protocol):
    """What tenants have said of tools."""

    async def all(self, space: Space) -> Mapping[str, ToolSetting]:
        """Everything that the tenant has said, by the tool's name."""
        ...

    async def find(self, space: Space, name: str) -> ToolSetting | None:
        """What it has said of one."""
        ...

    async def put(self, space: Space, name: str, setting: ToolSetting) -> None:
        """Store what it says of one, within the unit of work."""
        ...


class Permissions(Protocol):
    """The access policies."""

    async def of(self, space: Space, on_behalf: OnBehalf) -> Callable[[str], bool]:
        """Tells of a tool's name whether it may be called on behalf of somebody.

        Raises:
            DependencyUnavailable: the tenant's policies cannot be read and are not known from before.
        """
        ...


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What is known of a call.

    Attributes:
        same: it was asked for with the same tool and arguments.
        result: of a finished one.
        seconds_left: after which one that is running cannot be running any more.
    """

    state: CallState
    same: bool = True
    result: ToolResult | None = None
    seconds_left: float = 0.0


class ToolCalls(Protocol):
    """What became of calls. Each method is a unit of work of its own."""

    async def begin(self, space: Space, call: ToolCall, seconds: float) -> CallRecord:
        """Note that a call begins, or what is known of it already.

        Args:
            seconds: after which it will not be running any more.
        """
        ...

    async def known(self, space: Space, call: ToolCall) -> CallRecord:
        """What is known of a call that has begun."""
        ...

    async def finish(self, space: Space, call: ToolCall, result: ToolResult) -> bool:
        """Keep a call's result and have it told; False where it has been given up already, and is not kept."""
        ...

    async def withdraw(self, space: Space, call: ToolCall) -> None:
        """Forget a call of which nothing was done."""
        ...

    async def give_up(self, space: Space, call: ToolCall) -> None:
        """Note that nobody will ever know what became of a call, unless it has finished."""
        ...

    async def tell(self, space: Space, call: ToolCall, result: ToolResult) -> None:
        """Have the result of a call told that needs no record."""
        ...


class Sandbox(Protocol):
    """Runs code that a model wrote. There is no adapter: docs/tools.md says what one has to hold."""

    async def run(self, space: Space, language: str, code: str, *, seconds: float, most_bytes: int) -> ToolAnswer:
        """What a program printed.

        Raises:
            ToolFailed: it did not end in time, or printed more.
        """
        ...
