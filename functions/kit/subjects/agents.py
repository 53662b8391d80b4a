"""What is said of agents and their tools."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from functions.kit.events import EventData
from functions.kit.models import ApiModel


class ToolCompleted(EventData):
    """An agent has called a tool, which did what it was asked or did not; what it said is examined by guardrails."""

    subject: ClassVar[str] = "tool.completed"
    tenant_id: str
    usage_id: str = Field(description="UUID of the call, the same however often it is tried.")
    execution_id: str
    tool: str
    at: datetime = Field(description="When the call began.")
    duration_ms: int = Field(ge=0)
    error_code: str | None = Field(None, description="What went wrong, by its code; null where nothing did.")
    truncated: bool = False
    user_id: str | None = None
    api_key_id: str | None = None
    content: str | None = Field(
        None, description="Base64 of what it said, sealed with the tenant's data key; null where nothing is examined."
    )


class ToolChanged(EventData):
    """An MCP server offers tools that are new or other than those an admin has accepted: they are held back."""

    subject: ClassVar[str] = "tool.changed"
    tenant_id: str
    server: str
    new: list[str] = Field(description="Names of those never seen before.")
    changed: list[str] = Field(description="Names of those whose description or schema is another than accepted.")


class AgentMetrics(ApiModel):
    """What an execution has used, all its runs together."""

    steps: int = Field(ge=0)
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    micro_usd: int = Field(ge=0, description="Spent on models, in millionths of a US dollar.")
    llm_calls: int = Field(ge=0)
    tool_calls: int = Field(ge=0)


class AgentRequested(EventData):
    """Somebody wants a graph executed, or an execution that failed run again."""

    subject: ClassVar[str] = "agent.requested"
    tenant_id: str
    execution_id: str
    graph_id: str
    run: int = Field(ge=1, description="Counts from 1; each retry is one more.")


class AgentStarted(EventData):
    """A run of an execution is being worked on."""

    subject: ClassVar[str] = "agent.started"
    tenant_id: str
    execution_id: str
    graph_id: str
    run: int = Field(ge=1)
    started_at: datetime


class AgentCompleted(EventData):
    """An execution has come to its end."""

    subject: ClassVar[str] = "agent.completed"
    tenant_id: str
    execution_id: str
    graph_id: str
    run: int = Field(ge=1)
    metrics: AgentMetrics
    duration_ms: int = Field(ge=0, description="Since the run started, waiting for people included.")


class AgentFailed(EventData):
    """A run of an execution has failed, or was cancelled."""

    subject: ClassVar[str] = "agent.failed"
    tenant_id: str
    execution_id: str
    graph_id: str
    run: int = Field(ge=1)
    metrics: AgentMetrics
    duration_ms: int = Field(ge=0, description="Since the run started, waiting for people included.")
    code: str = Field(description="Stable code of what went wrong; `cancelled` where somebody ended it.")
    reason: str
