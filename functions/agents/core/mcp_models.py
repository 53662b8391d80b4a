"""MCP servers that a tenant's agents may use, and the tools that these offer."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

PREFIX = "mcp"
AuthKind = Literal["none", "bearer", "header", "oauth2"]
Transport = Literal["http", "stdio"]
ToolCondition = Literal["accepted", "new", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class McpAuth:
    """How the platform proves itself to a server. The secret is kept apart.

    Attributes:
        header: the header that carries the secret, for `header`.
        issuer: of tokens, for `oauth2`: the secret goes to this authorization server alone.
    """

    kind: AuthKind = "none"
    header: str | None = None
    issuer: str | None = None
    client_id: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class McpServerDraft:
    """A server as a tenant asks for it.

    Attributes:
        target: its address; for `stdio` the name of a program that the operator vouches for.
        timeout_seconds: of one call.
        secret: None keeps the one that is stored.
    """

    name: str
    title: str
    transport: Transport
    target: str
    auth: McpAuth
    timeout_seconds: float
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server as it is stored.

    Attributes:
        sealed: the encrypted secret.
        discovered_at: when it last said which tools it has.
        problem: why it did not, the last time it was asked; empty when it did.
    """

    id: str
    tenant_id: str
    name: str
    title: str
    transport: Transport
    target: str
    auth: McpAuth
    timeout_seconds: float
    sealed: bytes | None = field(repr=False)
    created_at: datetime
    updated_at: datetime
    discovered_at: datetime | None = None
    problem: str = ""

    @property
    def destination(self) -> tuple[object, ...]:
        """Where its secret goes: it goes nowhere else."""
        return (self.transport, self.target, self.auth.kind, self.auth.header, self.auth.issuer, self.auth.client_id)


@dataclass(frozen=True)
class Description:
    """What a server says of a tool: all that a model is told, and what the platform goes by."""

    title: str
    description: str
    input_schema: Mapping[str, Any] = field(repr=False)
    idempotent: bool

    @cached_property
    def digest(self) -> str:
        """SHA-256 of it as hex: what an admin accepts."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a server said of itself.

    Attributes:
        tools: what it offers, by name.
        refused: tools that cannot be offered to models, each with why.
    """

    protocol: str
    server: str
    tools: Mapping[str, Description]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool of a server.

    Attributes:
        accepted: the description that is in force; None while none ever was.
        offered: what the server says now.
        present: whether the server still has it.
    """

    server: str
    name: str
    accepted: Description | None
    offered: Description
    present: bool
    changed_at: datetime
    accepted_by: str | None = None

    @property
    def condition(self) -> ToolCondition:
        """Where it stands; only an accepted one can be called."""
        if not self.present:
            return "gone"
        if self.accepted is None:
            return "new"
        return "accepted" if self.accepted.digest == self.offered.digest else "changed"

    @property
    def full_name(self) -> str:
        """What agents call it by."""
        return f"{PREFIX}.{self.server}.{self.name}"
