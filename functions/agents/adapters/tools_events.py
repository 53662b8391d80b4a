"""What calls of tools came to, as events: for the guardrails, and for whoever counts."""

import base64
import uuid
from collections.abc import Sequence
from datetime import timedelta

import orjson

from functions.agents.core.tool_models import Space
from functions.agents.core.toolbox import ToolCall, ToolResult
from functions.kit.clock import utc_now
from functions.kit.database import unit_of_work
from functions.kit.events import Event
from functions.kit.secrets import Place, SecretBox
from functions.kit.subjects import ToolChanged, ToolCompleted

SOURCE = "/dcoder/agents"
# Detectors take texts of this size at a time.
_PART = 24_000


class OutboxNotices:
    """Port `Notices`."""

    def held_back(self, space: Space, server: str, new: Sequence[str], changed: Sequence[str]) -> None:
        """Say it if and only if the unit of work commits."""
        data = ToolChanged(tenant_id=space.tenant_id, server=server, new=list(new), changed=list(changed))
        unit_of_work().emit(Event.of(data, tenant_id=space.tenant_id, source=SOURCE), database=space.database)


class ToolEvents:
    """Makes them. What a tool said travels sealed, and only where the tenant has its calls examined."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    async def completed(self, space: Space, call: ToolCall, result: ToolResult) -> Event:
        """The event that says what a call came to."""
        usage_id = str(uuid.uuid5(uuid.UUID(space.tenant_id), call.call_id))
        data = ToolCompleted(
            tenant_id=space.tenant_id,
            usage_id=usage_id,
            execution_id=call.execution_id,
            tool=call.name,
            at=utc_now() - timedelta(milliseconds=result.duration_ms),
            duration_ms=result.duration_ms,
            error_code=result.error_code if result.is_error else None,
            truncated=result.truncated,
            user_id=call.principal.user_id,
            api_key_id=call.principal.api_key_id,
            content=await self._sealed(space, usage_id, call, result) if space.examined else None,
        )
        return Event.of(data, tenant_id=space.tenant_id, source=SOURCE)

    async def _sealed(self, space: Space, usage_id: str, call: ToolCall, result: ToolResult) -> str:
        text = result.content
        parts = [
            {"role": "tool", "name": call.name, "text": text[start : start + _PART]}
            for start in range(0, len(text), _PART)
        ]
        place = Place(space.tenant_id, ToolCompleted.subject, usage_id, "content")
        return base64.b64encode(await self._box.encrypt(place, orjson.dumps({"parts": parts}))).decode()
