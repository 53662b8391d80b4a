"""What agents are compared with, each in a process of its own: `python -m scenarios.load.agent_peers PEER WORK`.

WORK is JSON: how many executions, how many at once, where the gateway is, a tenant's key, where Temporal is. Every
execution asks the model, calls a calculator with what it said, and asks again, as the graph `react` does without
reflection. `langgraph` runs that as a graph in memory, which nothing survives; `temporal` as a workflow of six
activities, as many as an execution of ours has, without a database, events, limits or sealing.
"""

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from functions.agents.core.calculator import calculate
    from functions.agents.core.instructions import REASON

Json = dict[str, Any]
QUEUE = "bench"
_TOOL = {
    "type": "function",
    "function": {
        "name": "builtin_calculator",
        "description": "Computes an expression.",
        "parameters": {
            "type": "object",
            "properties": {"expression": {"type": "string"}},
            "required": ["expression"],
        },
    },
}
_ACTIVITIES = ("begin", "reason", "act", "reason", "reflect", "end")


@dataclass(frozen=True)
class Work:
    """What is to be done, and where."""

    executions: int
    at_once: int
    gateway: str
    key: str
    model: str
    temporal: str

    async def each(self, run: Callable[[str], Awaitable[object]]) -> Json:
        """Run all; tells the seconds that it took, and that each took."""
        gate, taken = asyncio.Semaphore(self.at_once), list[float]()

        async def one(number: int) -> None:
            async with gate:
                began = time.perf_counter()
                await run(task(number))
                taken.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(self.executions)))
        return {"seconds": time.perf_counter() - began, "each": taken}


def task(number: int) -> str:
    """A task that was never asked before and wants one calculation."""
    return f'Use builtin_calculator with expression="{number}*21" please ({uuid.uuid4().hex[:12]})'


class Steps:
    """What nodes and activities do."""

    def __init__(self, work: Work, http: aiohttp.ClientSession) -> None:
        self._work = work
        self._http = http

    async def think(self, messages: list[Json]) -> Json:
        """The model's next message."""
        body = {"model": self._work.model, "messages": messages, "tools": [_TOOL]}
        headers = {"authorization": f"Bearer {self._work.key}", "idempotency-key": uuid.uuid4().hex}
        async with self._http.post(f"{self._work.gateway}/v1/chat/completions", json=body, headers=headers) as response:
            answer = await response.json()
        return dict(answer["choices"][0]["message"])

    @staticmethod
    def act(message: Json) -> list[Json]:
        """What the tools that it wants say."""
        return [
            {
                "role": "tool",
                "tool_call_id": call["id"],
                "content": calculate(json.loads(call["function"]["arguments"])["expression"]),
            }
            for call in message.get("tool_calls") or ()
        ]

    @activity.defn(name="begin")
    async def begin(self, given: str) -> list[Json]:
        """The first messages."""
        return [{"role": "system", "content": REASON}, {"role": "user", "content": given}]

    @activity.defn(name="reason")
    async def reason(self, messages: list[Json]) -> list[Json]:
        """The conversation with the model's next message."""
        return [*messages, await self.think(messages)]

    @activity.defn(name="act")
    async def call(self, messages: list[Json]) -> list[Json]:
        """The conversation with what tools said."""
        return [*messages, *self.act(messages[-1])]

    @activity.defn(name="reflect")
    async def reflect(self, messages: list[Json]) -> list[Json]:
        """The conversation as it is."""
        return messages

    @activity.defn(name="end")
    async def end(self, messages: list[Json]) -> str:
        """The answer."""
        return str(messages[-1].get("content"))


@workflow.defn(name="Bare")
class Bare:
    """The same work as activities one after the other."""

    @workflow.run
    async def run(self, given: str) -> str:
        """The answer."""
        state: Any = given
        for name in _ACTIVITIES:
            state = await workflow.execute_activity(name, state, start_to_close_timeout=timedelta(minutes=5))
        return str(state)


async def temporal(work: Work, steps: Steps) -> Json:
    """Bare Temporal: a worker and a client in one process."""
    from temporalio.client import Client
    from temporalio.worker import Worker

    client = await Client.connect(work.temporal, namespace="default")
    activities: list[Any] = [steps.begin, steps.reason, steps.call, steps.reflect, steps.end]
    async with Worker(client, task_queue=QUEUE, workflows=[Bare], activities=activities):

        async def run(given: str) -> object:
            return await client.execute_workflow(Bare.run, given, id=f"bare-{uuid.uuid4()}", task_queue=QUEUE)

        await run(task(0))
        return await work.each(run)


async def langgraph(work: Work, steps: Steps) -> Json:
    """Bare LangGraph: the graph in memory."""
    from langgraph.graph import END, START, StateGraph

    async def reason(state: Json) -> Json:
        return {"messages": await steps.reason(state["messages"])}

    async def act(state: Json) -> Json:
        return {"messages": await steps.call(state["messages"])}

    def route(state: Json) -> str:
        return "act" if state["messages"][-1].get("tool_calls") else END

    graph: Any = StateGraph(dict)
    graph.add_node("reason", reason)
    graph.add_node("act", act)
    graph.add_edge(START, "reason")
    graph.add_conditional_edges("reason", route, ["act", END])
    graph.add_edge("act", "reason")
    app = graph.compile()

    async def run(given: str) -> object:
        return await app.ainvoke({"messages": await steps.begin(given)})

    await run(task(0))
    return await work.each(run)


async def main(peer: str, work: Work) -> Json:
    """What it took."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        return await {"temporal": temporal, "langgraph": langgraph}[peer](work, Steps(work, http))


if __name__ == "__main__":
    told = asyncio.run(main(sys.argv[1], Work(**json.loads(sys.argv[2]))))
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    # Temporal's client has threads of its own, which the interpreter's orderly end does not always survive.
    os._exit(0)
