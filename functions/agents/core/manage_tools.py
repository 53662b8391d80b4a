"""Shows a tenant's tools, and turns them on and off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from functions.agents.core.errors import ToolNotFound
from functions.agents.core.tool_errors import HostsRefused, ToolUnusable
from functions.agents.core.tool_models import Space, Tool, ToolSetting
from functions.agents.core.tool_ports import ToolSettings, ToolSource
from functions.agents.core.tools import is_usable


@dataclass(frozen=True, slots=True)
class ToolState:
    """A tool, and what the tenant has said of it."""

    tool: Tool
    setting: ToolSetting | None

    @property
    def enabled(self) -> bool:
        """Whether agents may use it."""
        return is_usable(self.tool, self.setting)


class ManageTools:
    """The use cases.

    Args:
        sources: where tools come from, by the first part of their names.
    """

    def __init__(self, sources: Mapping[str, ToolSource], settings: ToolSettings) -> None:
        self._sources = sources
        self._settings = settings

    async def all(self, space: Space) -> Sequence[ToolState]:
        """Every tool of the tenant, by name."""
        settings = await self._settings.all(space)
        tools = [tool for source in self._sources.values() for tool in await source.all(space)]
        return [ToolState(tool, settings.get(tool.name)) for tool in sorted(tools, key=lambda tool: tool.name)]

    async def get(self, space: Space, name: str) -> ToolState:
        """One tool.

        Raises:
            ToolNotFound: there is none of this name.
        """
        return ToolState(await self._tool(space, name), await self._settings.find(space, name))

    async def put(self, space: Space, name: str, setting: ToolSetting) -> ToolState:
        """Turn a tool on or off, within the unit of work.

        Raises:
            ToolNotFound: there is none of this name.
            ToolUnusable: it is to be turned on and cannot be used here.
            HostsRefused: hosts are given for a tool that goes to none.
        """
        tool = await self._tool(space, name)
        if setting.enabled and tool.unusable and tool.source == "builtin":
            raise ToolUnusable(tool.unusable, details={"tool": name})
        if setting.allow_hosts and not tool.takes_hosts:
            raise HostsRefused("this tool goes to no hosts that could be allowed", details={"field": "allowHosts"})
        await self._settings.put(space, name, setting)
        return ToolState(tool, setting)

    async def _tool(self, space: Space, name: str) -> Tool:
        source = self._sources.get(name.partition(".")[0])
        tool = await source.find(space, name) if source else None
        if tool is None:
            raise ToolNotFound("there is no such tool", details={"tool": name})
        return tool
