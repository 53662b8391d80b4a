"""Secrets for the APIs behind MCP servers, under the tenant's data key."""

from functions.integrations.core.models import McpServer
from functions.kit.errors import Internal
from functions.kit.secrets import Place, SecretBox


class EnvelopeVault:
    """Port `Vault`."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    async def seal(self, tenant_id: str, server_id: str, secret: str) -> bytes:
        """Encrypt one, bound to its server."""
        return await self._box.encrypt(_place(tenant_id, server_id), secret.encode())

    async def open(self, server: McpServer) -> str:
        """The server's secret."""
        if server.sealed is None:
            raise Internal("the server has no secret")
        return (await self._box.decrypt(_place(server.tenant_id, server.id), server.sealed)).decode()


def _place(tenant_id: str, server_id: str) -> Place:
    return Place(tenant_id, "mcp_servers", server_id, "secret")
