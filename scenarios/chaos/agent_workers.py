"""Agents' workers that kill themselves: `python -m scenarios.chaos.agent_workers EFFECTS DEATHS SEED`.

Each dies by SIGKILL right before or right after it commits one of its units of work (each step of an execution is
one, and so is the note that a tool's call begins, and that it has ended), or at some moment; another takes its place.
After so many deaths they live. One process imports everything once and forks them. They work on Temporal's namespace
`default`, beside the platform's own workers, and have one tool: `chaos.count` adds its call's id to the list EFFECTS in
Redis, and must never do that twice for one call.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from functions.agents.adapters.tools_events import ToolEvents
from functions.agents.adapters.tools_policies import PolicyPermissions
from functions.agents.adapters.tools_postgres import PostgresToolCalls, PostgresToolSettings
from functions.agents.adapters.tools_spaces import DirectorySpaces
from functions.agents.core.built_in import BuiltIn, BuiltIns
from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.toolbox import ToolCall, ToolSpec
from functions.agents.core.tools import Tools
from functions.agents.wiring_worker import worker_parts
from functions.agents.worker.working import Working
from functions.kit.database import UnitOfWork
from functions.kit.json_schemas import problems
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings

NAMESPACE = "default"
_AT_ONCE = 2
_HEARTBEAT = timedelta(seconds=2)
_LATEST_COMMIT = 12
_LONGEST_LIFE = 6.0
_AWAITED = {signal.SIGTERM, signal.SIGCHLD}
_COUNT = ToolSpec(
    name="chaos.count",
    description="Counts.",
    input_schema={"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]},
    # So that nothing but the toolbox keeps its effect from coming twice.
    idempotent=False,
    timeout_seconds=5.0,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a worker dies.

    Attributes:
        commit: the unit of work at whose commit it dies; None where it dies after `seconds`.
        seconds: None where it does not die at all.
    """

    commit: int | None = None
    before: bool = False
    seconds: float | None = None

    @classmethod
    def drawn(cls, draw: random.Random) -> "Plan":
        """One of the many."""
        if draw.random() < 0.6:
            return cls(commit=draw.randint(1, _LATEST_COMMIT), before=draw.random() < 0.5)
        return cls(seconds=draw.uniform(0.2, _LONGEST_LIFE))


class Dying:
    """Begins units of work, and kills the process at the commit of one of them."""

    def __init__(self, runtime: Runtime, plan: Plan) -> None:
        self._runtime = runtime
        self._plan = plan
        self._count = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """A unit of work."""
        async with UnitOfWork(self._runtime.databases):
            yield
            self._count += 1
            is_last = self._count == self._plan.commit
            if is_last and self._plan.before:
                os.kill(os.getpid(), signal.SIGKILL)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)


def counting(runtime: Runtime, effects: str) -> Tools:
    """The toolbox with the tool that counts."""

    async def count(space: Space, call: ToolCall, setting: ToolSetting) -> ToolAnswer:
        del space, setting
        total = await runtime.redis.rpush(effects, call.call_id)
        return ToolAnswer(f"counted {call.arguments['n']}, {total} in all")

    tool = Tool(spec=_COUNT, title="Count", source="chaos", on_by_default=True)
    return Tools(
        {"chaos": BuiltIns([BuiltIn(tool, count)])},
        DirectorySpaces(runtime.tenants),
        PostgresToolSettings(runtime.databases),
        permissions=PolicyPermissions(runtime),
        calls=PostgresToolCalls(runtime.databases, runtime.secrets, ToolEvents(runtime.secrets)),
        check=problems,
    )


async def work(effects: str, plan: Plan) -> None:
    """Be a worker until SIGTERM, or until death."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    if plan.seconds is not None:
        loop.call_later(plan.seconds, os.kill, os.getpid(), signal.SIGKILL)
    runtime = Runtime(Settings(temporal_namespace=NAMESPACE))
    parts = await runtime.wired(worker_parts)
    carry_out = replace(parts.carry_out, begin=Dying(runtime, plan), toolbox=counting(runtime, effects))
    try:
        async with Working(replace(parts, carry_out=carry_out, heartbeat=_HEARTBEAT, drain=timedelta(seconds=2))):
            await stopping.wait()
    finally:
        await runtime.close()


def mother(effects: str, deaths: int, seed: int) -> None:
    """Keep workers alive until SIGTERM; tell how many have died."""
    draw, told, children = random.Random(seed), 0, set[int]()  # noqa: S311 - nothing is kept secret by it
    # Waited for, not handled: nothing happens between a child's end and its being noted.
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    while True:
        while len(children) < _AT_ONCE:
            children.add(_born(effects, Plan.drawn(draw) if told < deaths else Plan()))
        if signal.sigwait(_AWAITED) == signal.SIGTERM:
            break
        while children and (found := os.waitpid(-1, os.WNOHANG))[0]:
            children.discard(found[0])
            told += os.WIFSIGNALED(found[1]) and os.WTERMSIG(found[1]) == signal.SIGKILL
    for child in children:
        os.kill(child, signal.SIGTERM)
    for child in children:
        os.waitpid(child, 0)
    # On a line of its own, also where a child died in the middle of one.
    print(f"\n{json.dumps({'deaths': told})}", flush=True)


def _born(effects: str, plan: Plan) -> int:
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
        asyncio.run(work(effects, plan))
        os._exit(0)
    return child


if __name__ == "__main__":
    mother(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
