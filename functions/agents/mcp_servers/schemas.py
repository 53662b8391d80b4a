"""MCP servers of agents on the wire. A secret comes in and never goes out."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from functions.agents.core.mcp_models import (
    AuthKind,
    Description,
    Discovery,
    McpAuth,
    McpServer,
    McpServerDraft,
    McpTool,
    ToolCondition,
    Transport,
)
from functions.agents.core.mcp_servers import ServerState
from functions.kit.models import ApiModel, SentSecret

Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Address = Annotated[str, Field(max_length=2_048, pattern=r"^https?://[^\x00-\x20\x7f]+$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="Of what the server says of the tool.")]


class AgentMcpAuth(ApiModel):
    """How the platform proves itself to the server; nobody's own credential is passed on."""

    kind: AuthKind = "none"
    header: Annotated[
        str | None,
        Field(max_length=100, pattern=r"^[A-Za-z0-9-]+$", description="Carries the secret, for kind `header`."),
    ] = None
    issuer: Annotated[
        Address | None,
        Field(description="Of tokens, for `oauth2`: the secret goes to this authorization server alone."),
    ] = None
    client_id: Line | None = None
    scope: Line | None = None

    @model_validator(mode="after")
    def _says_what_its_kind_needs(self) -> Self:
        needed = {"header": {"header"}, "oauth2": {"issuer", "client_id"}}.get(self.kind, set())
        allowed = needed | ({"scope"} if self.kind == "oauth2" else set())
        given = {name for name in type(self).model_fields if name != "kind" and getattr(self, name) is not None}
        if needed - given or given - allowed:
            raise ValueError(f"kind {self.kind} needs {sorted(needed)} and takes nothing besides {sorted(allowed)}")
        return self


class PutAgentMcpServerBody(ApiModel):
    """A server that agents may use."""

    title: Line
    transport: Transport = "http"
    url: Annotated[Address | None, Field(description="Of the server's streamable HTTP endpoint.")] = None
    command: Annotated[
        Line | None, Field(description="For `stdio`: a program that the operator vouches for, by its name.")
    ] = None
    auth: AgentMcpAuth = Field(default_factory=AgentMcpAuth)
    secret: Annotated[
        SentSecret | None, Field(description="Absent: the stored one stays, for the same destination.")
    ] = None
    timeout_seconds: Annotated[float, Field(ge=1, le=120, description="The longest that a call may take.")] = 30.0

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        wanted, other = (self.url, self.command) if self.transport == "http" else (self.command, self.url)
        if wanted is None or other is not None:
            raise ValueError("transport http needs url, stdio needs command, and neither the other")
        if self.transport == "stdio" and self.auth.kind != "none":
            raise ValueError("a program of this machine takes no credential")
        return self

    def draft(self, name: str) -> McpServerDraft:
        """As the use case takes it."""
        return McpServerDraft(
            name=name,
            title=self.title,
            transport=self.transport,
            target=str(self.url or self.command),
            auth=McpAuth(**self.auth.model_dump()),
            timeout_seconds=self.timeout_seconds,
            secret=self.secret.get_secret_value() if self.secret else None,
        )


class McpToolDescription(ApiModel):
    """What a server says of a tool."""

    title: str
    description: str
    input_schema: dict[str, Any]
    idempotent: bool
    digest: str

    @classmethod
    def of(cls, told: Description) -> "McpToolDescription":
        """From the core's."""
        return cls(
            title=told.title,
            description=told.description,
            input_schema=dict(told.input_schema),
            idempotent=told.idempotent,
            digest=told.digest,
        )


class AgentMcpTool(ApiModel):
    """A tool of a server."""

    name: Annotated[str, Field(description="What the server calls it.")]
    tool: Annotated[str, Field(description="What agents call it: `mcp.SERVER.TOOL`.")]
    condition: Annotated[
        ToolCondition,
        Field(description="`new` and `changed` are held back until `offered` is accepted; `gone` is not offered now."),
    ]
    accepted: Annotated[McpToolDescription | None, Field(description="What is in force.")]
    offered: Annotated[McpToolDescription, Field(description="What the server says now.")]
    changed_at: datetime
    accepted_by: str | None

    @classmethod
    def of(cls, tool: McpTool) -> "AgentMcpTool":
        """From the core's."""
        return cls(
            name=tool.name,
            tool=tool.full_name,
            condition=tool.condition,
            accepted=McpToolDescription.of(tool.accepted) if tool.accepted else None,
            offered=McpToolDescription.of(tool.offered),
            changed_at=tool.changed_at,
            accepted_by=tool.accepted_by,
        )


class AgentMcpServer(ApiModel):
    """A server that agents may use."""

    name: str
    title: str
    transport: Transport
    url: str | None
    command: str | None
    auth: AgentMcpAuth
    has_secret: bool
    timeout_seconds: float
    discovered_at: Annotated[datetime | None, Field(description="When it last told its tools.")]
    problem: Annotated[str | None, Field(description="Why it did not, when it was last asked.")]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, server: McpServer) -> Self:
        """From the core's."""
        return cls(**_fields(server))


class AgentMcpServerDetails(AgentMcpServer):
    """A server with its tools."""

    tools: list[AgentMcpTool]

    @classmethod
    def told(cls, state: ServerState) -> "AgentMcpServerDetails":
        """From the use case's."""
        return cls(**_fields(state.server), tools=[AgentMcpTool.of(tool) for tool in state.tools])


class AgentMcpServerList(ApiModel):
    """All servers of a tenant."""

    items: list[AgentMcpServer]


class TestedMcpServer(ApiModel):
    """What a server said when it was tried."""

    ok: bool
    problem: str | None
    protocol_version: str | None = None
    server: Annotated[str | None, Field(description="Name and version that it gives itself.")] = None
    tools: Annotated[list[str], Field(description="Names of the tools that it offers.")] = Field(default_factory=list)
    refused: Annotated[list[str], Field(description="Tools that cannot be offered to models, each with why.")] = Field(
        default_factory=list
    )

    @classmethod
    def of(cls, problem: str, found: Discovery | None) -> "TestedMcpServer":
        """From the use case's."""
        if found is None:
            return cls(ok=False, problem=problem)
        return cls(
            ok=True,
            problem=None,
            protocol_version=found.protocol,
            server=found.server or None,
            tools=sorted(found.tools),
            refused=list(found.refused),
        )


class AcceptToolBody(ApiModel):
    """What was looked at."""

    digest: Digest


def _fields(server: McpServer) -> dict[str, Any]:
    return {
        "name": server.name,
        "title": server.title,
        "transport": server.transport,
        "url": server.target if server.transport == "http" else None,
        "command": server.target if server.transport == "stdio" else None,
        "auth": AgentMcpAuth.model_validate(server.auth),
        "has_secret": server.sealed is not None,
        "timeout_seconds": server.timeout_seconds,
        "discovered_at": server.discovered_at,
        "problem": server.problem or None,
        "created_at": server.created_at,
        "updated_at": server.updated_at,
    }
