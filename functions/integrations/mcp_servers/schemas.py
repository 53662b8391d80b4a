"""MCP servers on the wire. A secret comes in and never goes out."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from functions.integrations.core.models import AuthKind, McpServerDraft, State, UpstreamAuth
from functions.integrations.core.models import McpServer as CoreServer
from functions.integrations.core.models import Tool as CoreTool
from functions.kit.models import ApiModel, SentSecret
from functions.kit.storable import encoded, holds_zero

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Text = Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTABLE)]
Address = Annotated[str, Field(max_length=2_048, pattern=r"^https?://[^\x00-\x20\x7f]+$")]


def _storable(document: dict[str, Any]) -> dict[str, Any]:
    if holds_zero(encoded(document, "it")):
        raise ValueError("it may hold no character zero")
    return document


class Auth(ApiModel):
    """How the platform proves itself to the API; the caller's own credential is never passed on."""

    kind: AuthKind = "none"
    header: Annotated[
        str | None,
        Field(max_length=100, pattern=r"^[A-Za-z0-9-]+$", description="Carries the secret, for kind `header`."),
    ] = None
    token_url: Annotated[Address | None, Field(description="Where a token is asked for, for `oauth2`.")] = None
    client_id: Line | None = None
    scope: Line | None = None
    resource: Annotated[
        Address | None, Field(description="What the token is to be good for (RFC 8707); baseUrl when absent.")
    ] = None

    @model_validator(mode="after")
    def _says_what_its_kind_needs(self) -> Self:
        needed = {"header": {"header"}, "oauth2": {"token_url", "client_id"}}.get(self.kind, set())
        allowed = needed | ({"scope", "resource"} if self.kind == "oauth2" else set())
        given = {name for name in type(self).model_fields if name != "kind" and getattr(self, name) is not None}
        if needed - given or given - allowed:
            raise ValueError(f"kind {self.kind} needs {sorted(needed)} and takes nothing besides {sorted(allowed)}")
        return self


class PutMcpServerBody(ApiModel):
    """An API to be offered as tools."""

    title: Line
    description: Text = ""
    openapi: Annotated[
        Annotated[dict[str, Any], AfterValidator(_storable)] | None,
        Field(description="An OpenAPI 3.0 or 3.1 document; absent with `openapiUrl`."),
    ] = None
    openapi_url: Annotated[
        Address | None,
        Field(description="Where the document is, as JSON: it is read in the background. Needs `baseUrl`."),
    ] = None
    base_url: Annotated[Address | None, Field(description="The document's own first server when absent.")] = None
    operations: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00]*$")]],
        Field(min_length=1, max_length=200, description="Ids of the operations to offer; nothing else can be called."),
    ]
    auth: Auth = Field(default_factory=Auth)
    secret: Annotated[SentSecret | None, Field(description="Absent: the stored one stays, for the same address.")] = (
        None
    )

    @model_validator(mode="after")
    def _has_a_document(self) -> Self:
        if (self.openapi is None) is (self.openapi_url is None):
            raise ValueError("give either openapi or openapiUrl")
        return self

    def draft(self, name: str) -> McpServerDraft:
        """As the use case takes it."""
        return McpServerDraft(
            name=name,
            title=self.title,
            description=self.description,
            document=self.openapi,
            base_url=self.base_url,
            operations=tuple(dict.fromkeys(self.operations)),
            auth=UpstreamAuth(**self.auth.model_dump()),
            secret=self.secret.get_secret_value() if self.secret else None,
            document_url=self.openapi_url,
        )


class Tool(ApiModel):
    """An operation as models see it."""

    name: str
    operation_id: str
    title: str
    description: str
    input_schema: dict[str, Any]

    @classmethod
    def of(cls, tool: CoreTool) -> "Tool":
        """From the core's."""
        return cls(
            name=tool.name,
            operation_id=tool.operation_id,
            title=tool.title,
            description=tool.description,
            input_schema=tool.schema,
        )


class McpServer(ApiModel):
    """An MCP server of a tenant."""

    name: str
    title: str
    description: str
    base_url: str
    operations: list[str]
    auth: Auth
    has_secret: bool
    openapi_url: str | None
    state: Annotated[
        State, Field(description="`pending` while the document is read; one that was read before serves meanwhile.")
    ]
    reason: Annotated[str, Field(description="Why the document could not be read or taken.")]
    read_at: Annotated[datetime | None, Field(description="When it was read last.")]
    changes: Annotated[list[str], Field(description="Tools that were other, or not there, before it was read last.")]
    path: Annotated[str, Field(description="Where MCP clients reach it.")]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, server: CoreServer) -> Self:
        """From the core's."""
        return cls(**_fields(server))


class McpServerDetails(McpServer):
    """A server with its tools."""

    tools: list[Tool]

    @classmethod
    def told(cls, server: CoreServer, tools: list[CoreTool]) -> "McpServerDetails":
        """From the core's."""
        return cls(**_fields(server), tools=[Tool.of(tool) for tool in tools])


class McpServerList(ApiModel):
    """All servers of a tenant."""

    items: list[McpServer]


def _fields(server: CoreServer) -> dict[str, Any]:
    return {
        "name": server.name,
        "title": server.title,
        "description": server.description,
        "base_url": server.base_url,
        "operations": list(server.operations),
        "auth": Auth.model_validate(server.auth),
        "has_secret": server.sealed is not None,
        "openapi_url": server.document_url,
        "state": server.state,
        "reason": server.reason,
        "read_at": server.read_at,
        "changes": list(server.changes),
        "path": f"/v1/mcp/{server.name}",
        "created_at": server.created_at,
        "updated_at": server.updated_at,
    }
