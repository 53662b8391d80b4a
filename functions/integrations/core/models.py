"""An MCP server made of an OpenAPI document, and what it consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Json = dict[str, Any]
AuthKind = Literal["none", "bearer", "header", "oauth2"]
Place = Literal["path", "query", "header"]
State = Literal["pending", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class UpstreamAuth:
    """How the platform proves itself to the API behind a server. The secret is kept apart.

    Attributes:
        header: the header that carries the secret, for `header`.
        token_url: where a token is asked for by client credentials (RFC 6749, section 4.4), for `oauth2`.
        resource: what the token is to be good for alone (RFC 8707); the API's own address when absent.
    """

    kind: AuthKind = "none"
    header: str | None = None
    token_url: str | None = None
    client_id: str | None = None
    scope: str | None = None
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class McpServerDraft:
    """A server as a tenant asks for it.

    Attributes:
        document: None where it is to be read from `document_url`.
        base_url: of the API; the document's own first server when absent.
        operations: ids of the operations that become tools; nothing else of the document can be called.
        secret: None keeps the one that is stored.
    """

    name: str
    title: str
    description: str
    document: Json | None = field(repr=False)
    base_url: str | None
    operations: tuple[str, ...]
    auth: UpstreamAuth
    secret: str | None = field(default=None, repr=False)
    document_url: str | None = None


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server as it is stored.

    Attributes:
        sealed: the encrypted secret.
        document: empty while it has not been read for the first time.
        state: whether the document of `document_url` is being read; one that was read before serves meanwhile.
        reason: why it failed.
        requested_at: when it was asked to be read, which tells one registration from the next.
        changes: names of tools that were other, or not there, before it was read last.
        begun: times that a worker began to read it for this registration and has come to no end.
    """

    id: str
    tenant_id: str
    name: str
    title: str
    description: str
    document: Json = field(repr=False)
    base_url: str
    operations: tuple[str, ...]
    auth: UpstreamAuth
    sealed: bytes | None = field(repr=False)
    created_at: datetime
    updated_at: datetime
    document_url: str | None = None
    state: State = "ready"
    reason: str = ""
    requested_at: datetime | None = None
    read_at: datetime | None = None
    changes: tuple[str, ...] = ()
    begun: int = 0


@dataclass(frozen=True, slots=True)
class Registration:
    """A server's document that is to be read; `requested_at` tells one registration of the server from the next."""

    tenant_id: str
    name: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation.

    Attributes:
        argument: its name among the tool's arguments.
        name: its name on the wire.
        is_exploded: values of a list in a query stand each under the name; else they stand there together.
    """

    argument: str
    name: str
    place: Place
    is_exploded: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """An operation as a tool.

    Attributes:
        schema: JSON Schema (2020-12) of the arguments.
        has_body: whether the argument `body` is sent as JSON.
    """

    name: str
    operation_id: str
    title: str
    description: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    has_body: bool
    schema: Json = field(repr=False)

    @property
    def is_read_only(self) -> bool:
        """Whether it is safe by its method (RFC 9110, section 9.2.1)."""
        return self.method in {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """What is sent to the API."""

    method: str
    url: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: Any | None


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """What the API answered."""

    status: int
    media_type: str
    body: bytes = field(repr=False)
