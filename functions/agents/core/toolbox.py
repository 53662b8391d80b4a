"""Tools as the engine of executions sees them: what they take, and how one is called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from functions.kit.service_tokens import OnBehalf

# Of one call; a tool that may take longer says so.
DEFAULT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool, and what the engine must know to call it.

    Attributes:
        name: `builtin.calculator`, `mcp.SERVER.TOOL`.
        input_schema: JSON Schema of the arguments, an object.
        idempotent: a call may be repeated without a second effect, whether or not its `call_id` is looked at.
        timeout_seconds: the longest that a call may take.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any]
    idempotent: bool = False
    timeout_seconds: float = DEFAULT_SECONDS


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    Attributes:
        principal: on behalf of whom; what they may not do, the tool does not do for them.
        call_id: the same for every try of this call and for no other: an idempotency key.
    """

    tenant_id: str
    principal: OnBehalf
    execution_id: str
    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call came to, as the model is told.

    Attributes:
        error_code: stable name of what went wrong, where `is_error`.
        truncated: the tool said more than `content` holds.
    """

    content: str
    is_error: bool = False
    error_code: str | None = None
    truncated: bool = False
    duration_ms: int = field(default=0, compare=False)


class ToolBox(Protocol):
    """The tools that an execution may use."""

    async def specs(
        self, tenant_id: str, on_behalf: OnBehalf, names: Sequence[str] | None = None
    ) -> Sequence[ToolSpec]:
        """The tools of these names, in their order; all that the principal may call where none are named.

        Raises:
            ToolNotFound: there is no tool of a name.
            ToolDisabled: the tenant has turned it off, or not on.
            Forbidden: the principal may not call it.
        """
        ...

    async def call(self, call: ToolCall) -> ToolResult:
        """Call a tool. What goes wrong within it is a result, not an exception.

        Raises:
            DependencyUnavailable: something of the platform's own that the call needs is away; it is tried again.
        """
        ...
