"""The toolbox: the tools that a tenant has, each called within its limits and with its effect at most once."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from functions.agents.core.errors import ToolDisabled, ToolNotFound
from functions.agents.core.tool_errors import ToolFailed, ToolHeld
from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.tool_ports import (
    CallRecord,
    Check,
    Permissions,
    Spaces,
    ToolCalls,
    ToolSettings,
    ToolSource,
)
from functions.agents.core.tool_text import result_of
from functions.agents.core.toolbox import ToolCall, ToolResult, ToolSpec
from functions.kit.errors import DcoderError, DependencyUnavailable, Forbidden
from functions.kit.service_tokens import OnBehalf

# Of whoever runs a call, after the tool's own limit: to have its result stored.
_GRACE_SECONDS = 15.0
_LOOK_EVERY_SECONDS = 0.5
_MOST_PROBLEMS = 5
_UNKNOWN: Final = ToolResult(
    "nobody knows whether this call had its effect: its process died, or was stopped, before it could say. "
    "It is not tried again.",
    is_error=True,
    error_code="tool_outcome_unknown",
)
_logger = logging.getLogger(__name__)


class Tools:
    """Port `ToolBox`.

    Args:
        sources: where tools come from, by the first part of their names.
        check: judges arguments by a JSON schema.
    """

    def __init__(
        self,
        sources: Mapping[str, ToolSource],
        spaces: Spaces,
        settings: ToolSettings,
        *,
        permissions: Permissions,
        calls: ToolCalls,
        check: Check,
    ) -> None:
        self._sources = sources
        self._spaces = spaces
        self._settings = settings
        self._permissions = permissions
        self._calls = calls
        self._check = check

    async def specs(
        self, tenant_id: str, on_behalf: OnBehalf, names: Sequence[str] | None = None
    ) -> Sequence[ToolSpec]:
        """The tools of these names, in their order; all that the principal may call where none are named.

        Raises:
            ToolNotFound: there is no tool of a name.
            ToolDisabled: the tenant has turned it off, or not on, or it is held back.
            Forbidden: the principal may not call it, or the tenant may not call now.
        """
        space = await self._space(tenant_id, on_behalf)
        may = await self._permissions.of(space, on_behalf)
        if names is not None:
            return [(await self._usable(space, name, may))[0].spec for name in names]
        settings = await self._settings.all(space)
        tools = [tool for source in self._sources.values() for tool in await source.all(space)]
        return [tool.spec for tool in tools if is_usable(tool, settings.get(tool.name)) and may(tool.name)]

    async def call(self, call: ToolCall) -> ToolResult:
        """Call a tool. What goes wrong within it is a result, not an exception.

        Raises:
            Forbidden: the tenant may not call now.
            DependencyUnavailable: something of the platform's own that the call needs is away.
        """
        space = await self._space(call.tenant_id, call.principal)
        try:
            may = await self._permissions.of(space, call.principal)
            tool, setting = await self._usable(space, call.name, may)
            self._check_arguments(tool, call)
        except (ToolNotFound, ToolDisabled, Forbidden, ToolFailed) as error:
            return ToolResult(error.message, is_error=True, error_code=error.code)
        if not tool.spec.idempotent:
            return await self._at_most_once(space, tool, call, setting)
        result = await self._run(space, tool, call, setting)
        await self._calls.tell(space, call, result)
        return result

    async def _space(self, tenant_id: str, on_behalf: OnBehalf) -> Space:
        if on_behalf.tenant_id != tenant_id:
            raise Forbidden("this belongs to another tenant")
        return await self._spaces.of(tenant_id)

    async def _usable(self, space: Space, name: str, may: Callable[[str], bool]) -> tuple[Tool, ToolSetting]:
        source = self._sources.get(name.partition(".")[0])
        tool = await source.find(space, name) if source else None
        if tool is None:
            raise ToolNotFound("there is no such tool", details={"tool": name})
        if not may(name):
            raise Forbidden("no policy allows you this tool", details={"tool": name})
        setting = await self._settings.find(space, name)
        if not is_usable(tool, setting):
            kind = ToolHeld if tool.held else ToolDisabled
            raise kind(tool.unusable or "the tenant has not enabled this tool", details={"tool": name})
        return tool, setting or ToolSetting(enabled=True)

    def _check_arguments(self, tool: Tool, call: ToolCall) -> None:
        if "" in call.arguments:
            # What a model wrote was no object. A schema that takes whatever it does not name would take this, too.
            raise ToolFailed("invalid_arguments", "the arguments are no JSON object that can be kept")
        problems = self._check(tool.spec.input_schema, dict(call.arguments))[:_MOST_PROBLEMS]
        if problems:
            raise ToolFailed("invalid_arguments", "the arguments do not fit: " + "; ".join(problems))

    async def _at_most_once(self, space: Space, tool: Tool, call: ToolCall, setting: ToolSetting) -> ToolResult:
        """Run a call whose effect must not come twice: it is noted before, and its result kept before it is told."""
        record = await self._calls.begin(space, call, tool.spec.timeout_seconds + _GRACE_SECONDS)
        if record.state != "new":
            return await self._known(space, call, record)
        try:
            result = await self._run(space, tool, call, setting)
        except DependencyUnavailable:
            await self._calls.withdraw(space, call)
            raise
        except BaseException:
            # Whether it had its effect, nobody can say. Where this cannot be noted, time will tell the same.
            with suppress(DcoderError):
                await self._calls.give_up(space, call)
            raise
        if await self._calls.finish(space, call, result):
            return result
        # Perhaps it was kept, and the answer to that was lost.
        return (await self._calls.known(space, call)).result or _UNKNOWN

    async def _known(self, space: Space, call: ToolCall, record: CallRecord) -> ToolResult:
        """What a call came to that was begun before, here or elsewhere; waits while it may still be running."""
        if not record.same:
            told = "this call id was used for another call"
            return ToolResult(told, is_error=True, error_code="call_id_reused")
        while record.state == "running":
            if record.seconds_left <= 0:
                await self._calls.give_up(space, call)
            else:
                await asyncio.sleep(min(_LOOK_EVERY_SECONDS, record.seconds_left))
            record = await self._calls.known(space, call)
        return record.result or _UNKNOWN

    async def _run(self, space: Space, tool: Tool, call: ToolCall, setting: ToolSetting) -> ToolResult:
        began = time.monotonic()
        try:
            async with asyncio.timeout(tool.spec.timeout_seconds):
                answer = await self._sources[call.name.partition(".")[0]].call(space, call, setting)
        except TimeoutError:
            answer = _failure("tool_timeout", f"the tool did not answer within {tool.spec.timeout_seconds:g} s", tool)
        except ToolFailed as error:
            answer = _failure(error.code, error.message, tool)
        except DependencyUnavailable:
            raise
        except DcoderError as error:
            answer = _failure(error.code, error.message, tool)
        except Exception as error:
            # A bug of ours; the model is told that much and no more.
            _logger.exception("a tool raised", extra={"tool": call.name, "call": call.call_id})
            answer = _failure("tool_failed", f"the tool broke: {type(error).__name__}", tool)
        return result_of(answer, round((time.monotonic() - began) * 1000))


def is_usable(tool: Tool, setting: ToolSetting | None) -> bool:
    """Whether a tool may be used, by what the tenant has said of it or else by its default."""
    return not tool.unusable and (tool.on_by_default if setting is None else setting.enabled)


def _failure(code: str, message: str, tool: Tool) -> ToolAnswer:
    after = "" if tool.spec.idempotent or code in {"egress_denied", "invalid_arguments"} else _MAY_HAVE
    return ToolAnswer(message + after, is_error=True, error_code=code)


_MAY_HAVE = " (it may have had its effect all the same)"
