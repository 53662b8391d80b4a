"""An execution as it goes, in server-sent events that can be resumed."""

import re
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson

from functions.agents.core.models import ENDED, Caller
from functions.agents.execution_schemas import Execution
from functions.agents.wiring import Agents
from functions.kit.errors import DcoderError

_LONGEST_SECONDS = 600.0
_STILL_THERE_SECONDS = 15.0
# Redis takes both numbers up to 64 bits.
_EVENT_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


def resumed_after(last_event_id: str | None) -> str | None:
    """The id after which a client wants to hear; what is none of ours begins anew."""
    return last_event_id if last_event_id and _EVENT_ID.fullmatch(last_event_id) else None


async def follow(use: Agents, caller: Caller, execution_id: str, after: str | None) -> AsyncIterator[bytes]:
    """Frames until the execution has ended; whoever is told nothing more asks again with the last id."""
    until, said_at = time.monotonic() + _LONGEST_SECONDS, time.monotonic()
    try:
        execution = await _look(use, caller, execution_id)
        if after is None:
            yield _frame("execution", execution.model_dump_json(by_alias=True).encode())
        was_over = execution.status in ENDED
        async for told in use.live.follow(caller.place, execution_id, after or "0"):
            if told is not None:
                said_at = time.monotonic()
                yield _frame(told[1], orjson.dumps(told[2]), told[0])
                continue
            # Nothing more is kept: the database says whether more is to come.
            if was_over:
                yield _frame("end", execution.model_dump_json(by_alias=True).encode())
                return
            execution = await _look(use, caller, execution_id)
            was_over = execution.status in ENDED
            if time.monotonic() - said_at > _STILL_THERE_SECONDS:
                said_at = time.monotonic()
                yield b": still there\n\n"
            if time.monotonic() > until:
                return
    except DcoderError:
        # The database is away; whoever follows asks again.
        return


async def _look(use: Agents, caller: Caller, execution_id: str) -> Execution:
    async with use.begin():
        return Execution.of(await use.executions.get(caller, execution_id))


def _frame(name: str, data: bytes, event_id: str | None = None) -> bytes:
    head: Any = b"" if event_id is None else b"id: " + event_id.encode() + b"\n"
    return bytes(head + b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")
