"""Tools on the wire."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from functions.agents.core.manage_tools import ToolState
from functions.agents.core.tool_hosts import HOST_PATTERN
from functions.agents.core.tool_models import ToolSetting
from functions.kit.models import ApiModel

Host = Annotated[str, StringConstraints(max_length=253, pattern=HOST_PATTERN)]
AllowHosts = Annotated[
    list[Host],
    Field(
        max_length=100,
        description="Where the tool may go: `docs.example.com`, or `*.example.com` for everything below.",
    ),
]


class AgentTool(ApiModel):
    """A tool that the tenant's agents have, or could have."""

    name: str
    title: str
    description: str
    input_schema: dict[str, Any]
    source: Annotated[str, Field(description="`builtin`, or the MCP server that it is of.")]
    enabled: Annotated[bool, Field(description="Whether agents may use it; policies on `tools:call` limit it further.")]
    enabled_by_default: bool
    unusable: Annotated[str | None, Field(description="Why it cannot be used, whatever `enabled` was set to.")]
    idempotent: Annotated[bool, Field(description="Whether a call may be repeated without a second effect.")]
    timeout_seconds: float
    allow_hosts: Annotated[list[str] | None, Field(description="Where it may go; null where it goes nowhere.")]

    @classmethod
    def of(cls, state: ToolState) -> "AgentTool":
        """From the use case's."""
        tool, spec = state.tool, state.tool.spec
        hosts = list(state.setting.allow_hosts) if state.setting else []
        return cls(
            name=tool.name,
            title=tool.title,
            description=spec.description,
            input_schema=dict(spec.input_schema),
            source=tool.source,
            enabled=state.enabled,
            enabled_by_default=tool.on_by_default,
            unusable=tool.unusable or None,
            idempotent=spec.idempotent,
            timeout_seconds=spec.timeout_seconds,
            allow_hosts=hosts if tool.takes_hosts else None,
        )


class PutToolBody(ApiModel):
    """What the tenant says of a tool."""

    enabled: bool
    allow_hosts: AllowHosts = Field(default_factory=list)

    def setting(self) -> ToolSetting:
        """As the use case takes it."""
        return ToolSetting(self.enabled, tuple(dict.fromkeys(self.allow_hosts)))
