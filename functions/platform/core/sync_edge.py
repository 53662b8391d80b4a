"""Telling the edge which tenants there are."""

import asyncio

from functions.platform.core.edge import EdgeAdmin
from functions.platform.core.ports import EdgeDirectory


class SyncEdge:
    """Brings the edge up to date.

    Args:
        edge: None where the edge keeps no record of tenants.
    """

    def __init__(self, directory: EdgeDirectory, edge: EdgeAdmin | None) -> None:
        self._directory = directory
        self._edge = edge
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self) -> None:
        """Make the edge know exactly the tenants that are provisioned now; sound to repeat."""
        if self._edge is None:
            return
        # Who reads later must also write later, or an old reading would win.
        async with self._one_at_a_time:
            await self._edge.sync(await self._directory.edge_tenants())
