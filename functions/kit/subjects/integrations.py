"""What is said of APIs that tenants offer as tools."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from functions.kit.events import EventData


class McpRequested(EventData):
    """An MCP server was registered by its document's address, which is now to be read."""

    subject: ClassVar[str] = "mcp.requested"
    tenant_id: str
    name: str
    requested_at: datetime = Field(description="Tells one registration of the server from the next.")
