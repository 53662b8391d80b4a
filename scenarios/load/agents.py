"""Agents beside bare Temporal and bare LangGraph, and how soon an execution is begun: `make bench-agents`.

The same work on the same machine in the same run, with the same gateway and model: two questions to the model, one call
of a tool. Ours runs the graph `react` by way of the API, as a client has it; the peers are in `agent_peers.py`.
"""

import argparse
import asyncio
import dataclasses
import json
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from scenarios.load.agent_peers import Work, task
from scenarios.load.own_platform import own_platform
from scenarios.platform import Client, ScenarioError, client, eventually

# Of an execution: begin, reason, act, reason, reflect, end.
_STEPS = 6
_MODEL = "openai/gpt-4o-mini"
_TIMES = """
    SELECT extract(epoch FROM max(ended_at) - min(created_at))::float8 AS seconds,
           array_agg(extract(epoch FROM ended_at - created_at)::float8) AS each,
           count(*) FILTER (WHERE status <> 'completed') AS failed
    FROM executions WHERE id = ANY($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What so many executions took.

    Attributes:
        each: seconds of every one.
    """

    seconds: float
    each: Sequence[float]

    @property
    def step(self) -> float:
        """Median milliseconds of a step."""
        return statistics.median(self.each) / _STEPS * 1000

    @property
    def rate(self) -> float:
        """Executions a second."""
        return len(self.each) / self.seconds


@dataclass(frozen=True, slots=True)
class Ground:
    """A platform with a tenant, as ours and the peers use it."""

    own: Client
    work: Work
    database: str

    async def begin(self, number: int) -> tuple[str, float]:
        """Begin an execution; its id, and the seconds until the answer."""
        body = {
            "graphId": "react",
            "input": {"task": task(number), "reflections": 0},
            "tools": ["builtin.calculator"],
            "options": {"model": _MODEL},
        }
        began = time.perf_counter()
        reply = (await self.own.call("POST", "/v1/agents/execute", body)).expect(202)
        return reply.body["executionId"], time.perf_counter() - began

    async def ours(self, executions: int, at_once: int) -> Taken:
        """Executions of ours, so many at once."""
        connection = await asyncpg.connect(self.database)
        gate, ids, lock = asyncio.Semaphore(at_once), list[str](), asyncio.Lock()

        async def one(number: int) -> None:
            async with gate:
                execution_id, _ = await self.begin(number)
                ids.append(execution_id)

                async def ended() -> bool:
                    async with lock:
                        query = "SELECT ended_at IS NOT NULL FROM executions WHERE id = $1"
                        return bool(await connection.fetchval(query, uuid.UUID(execution_id)))

                await eventually(ended, f"the end of {execution_id}", 120)

        try:
            await asyncio.gather(*(one(number) for number in range(executions)))
            row = await connection.fetchrow(_TIMES, [uuid.UUID(each) for each in ids])
        finally:
            await connection.close()
        if row is None or row["failed"]:
            raise ScenarioError("executions failed")
        return Taken(row["seconds"], row["each"])

    async def peer(self, name: str, executions: int, at_once: int) -> Taken:
        """The same of a peer, in a process of its own."""
        work = json.dumps(dataclasses.asdict(dataclasses.replace(self.work, executions=executions, at_once=at_once)))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "scenarios.load.agent_peers", name, work, stdout=subprocess.PIPE
        )
        told, _ = await process.communicate()
        if process.returncode:
            raise ScenarioError(f"{name} failed")
        return Taken(**json.loads(told.splitlines()[-1]))

    async def answers(self, calls: int) -> list[float]:
        """Milliseconds until the answer to a call that begins an execution, one every half second."""
        taken: list[float] = []
        for number in range(calls):
            taken.append((await self.begin(number))[1] * 1000)
            await asyncio.sleep(0.5)
        return taken


async def ground(report: dict[str, Any], edge: Client) -> Ground:
    """A tenant with a provider on a platform."""
    slug = f"bench-{uuid.uuid4().hex[:8]}"
    operator = edge.as_(report["token"])
    tenant = (await operator.call("POST", "/v1/tenants", {"name": slug, "slug": slug})).expect(201).body
    key = tenant["apiKey"]["secret"]
    base = f"{report['components']['simulator']['address']}/openai/v1"
    provider = {"name": "openai", "kind": "openai", "apiKey": f"sk-{slug}", "baseUrl": base}
    own = edge.as_(key)
    (await own.call("PUT", f"/v1/tenants/{tenant['id']}/providers", {"providers": [provider]})).expect(200)
    work = Work(0, 0, report["edge"], key, _MODEL, report["components"]["temporal"]["address"])
    server = report["credentials"]["postgresAdminUrl"].rpartition("/")[0]
    return Ground(own, work, f"{server}/{tenant['database']}")


async def measure(place: Ground, alone: int, many: int, at_once: int, calls: int) -> Table:
    """All of it, side by side."""
    await place.ours(4, 2)
    answers = await place.answers(calls)
    rows: dict[str, tuple[Taken, Taken]] = {}
    for name in ("temporal", "langgraph"):
        rows[name] = (await place.peer(name, alone, 1), await place.peer(name, many, at_once))
    rows["ours"] = (await place.ours(alone, 1), await place.ours(many, at_once))
    bare = rows["temporal"]
    table = Table(title=f"{alone} one after the other; {many}, {at_once} at once")
    for heading in ("", "ms a step, alone", "of Temporal's", "executions/s", "Temporal's to it"):
        table.add_column(heading)
    for name, (one, all_) in rows.items():
        shares = (f"{one.step / bare[0].step:.2f}", f"{bare[1].rate / all_.rate:.2f}")
        table.add_row(name, f"{one.step:.1f}", shares[0], f"{all_.rate:.1f}", shares[1])
    median, high = statistics.median(answers), statistics.quantiles(answers, n=10)[-1]
    table.caption = f"202 after {median:.1f} ms at the median, {high:.1f} ms at the 90th percentile"
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m scenarios.load.agents", description=__doc__)
    parser.add_argument("--alone", type=int, default=30, help="executions one after the other")
    parser.add_argument("--many", type=int, default=100, help="executions in all, many at once")
    parser.add_argument("--at-once", type=int, default=10, help="executions at once")
    parser.add_argument("--calls", type=int, default=60, help="calls whose answer is timed")
    given = parser.parse_args()

    async def run(report: dict[str, Any]) -> Table:
        async with client(report["edge"]) as edge:
            return await measure(await ground(report, edge), given.alone, given.many, given.at_once, given.calls)

    with own_platform() as report:
        Console().print(asyncio.run(run(report)))


if __name__ == "__main__":
    main()
