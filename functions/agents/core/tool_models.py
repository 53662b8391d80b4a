"""Tools as the registry knows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.agents.core.toolbox import ToolSpec

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Space:
    """A tenant, and the database that is its own.

    Attributes:
        examined: guardrails look at what its tools say.
    """

    tenant_id: str
    database: str
    plan: str
    examined: bool


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a tenant has.

    Attributes:
        source: `builtin`, or the name of the MCP server it is of.
        on_by_default: whether it may be used where the tenant has said nothing.
        unusable: why it cannot be used, whatever the tenant says; empty where it can.
        held: that is because its MCP server has changed it, and an admin may accept that.
        takes_hosts: it goes to hosts that the tenant names.
    """

    spec: ToolSpec
    title: str
    source: str
    on_by_default: bool
    unusable: str = ""
    held: bool = False
    takes_hosts: bool = False

    @property
    def name(self) -> str:
        """What it is called by."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class ToolSetting:
    """What a tenant has said of a tool.

    Attributes:
        allow_hosts: hosts that it may go to: `docs.example.com`, or `*.example.com` for all below.
    """

    enabled: bool
    allow_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool said.

    Attributes:
        is_error: it did not do what it was asked, as it says itself.
        size: bytes that the whole text has, where `text` is only its beginning.
    """

    text: str = field(repr=False)
    is_error: bool = False
    error_code: str | None = None
    size: int | None = None
