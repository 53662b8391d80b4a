"""Waits for an execution to get somewhere, after what began it was committed."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.agents.core.models import ENDED, Caller, Execution
from functions.agents.wiring import Agents
from functions.kit.errors import DcoderError

_LOOK_SECONDS = 0.1
_LATER_SECONDS = 0.5
_OFTEN_SECONDS = 3.0


async def settled(use: Agents, caller: Caller, execution_id: str, seconds: float) -> Execution | None:
    """The execution once it has ended or waits for somebody; None when it has not within so many seconds."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        async with use.begin():
            execution = await use.executions.get(caller, execution_id)
        if execution.status in ENDED or execution.status == "waiting":
            return execution
        await asyncio.sleep(_LOOK_SECONDS if passed < _OFTEN_SECONDS else _LATER_SECONDS)
    return None


class Awaited(Response):
    """An answer that is given up for a better one, if that comes in time.

    It is sent after the request's unit of work was committed, which what it waits for needs; under an Idempotency-Key
    the first answer is what is kept.

    Args:
        first: the answer for now.
        better: waits for the other; None when it does not come.
    """

    def __init__(self, first: Response, better: Callable[[], Awaitable[Response | None]]) -> None:
        super().__init__(first.body, first.status_code, media_type="application/json")
        self._first = first
        self._better = better

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        try:
            answer = await self._better() or self._first
        except DcoderError:
            # It was begun, whatever became of looking at it.
            answer = self._first
        await answer(scope, receive, send)
