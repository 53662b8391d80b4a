"""Executions whose workers are killed, again and again, while Temporal itself is killed and comes back.

`python -m scenarios.chaos.agents [EXECUTIONS]` runs it on the running platform. It fails unless every execution
completes, no call of the counting tool has its effect twice, and each event is said once.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from rich.console import Console

from functions.agents.core.executions import Order
from functions.agents.core.models import Caller, Limits, Place
from functions.agents.wiring import Agents, agents
from functions.kit.runtime import Runtime
from functions.kit.service_tokens import OnBehalf
from functions.kit.settings import Settings
from scenarios.chaos.agent_workers import NAMESPACE
from scenarios.chaos.gateways import environment_of
from scenarios.platform import ScenarioError, client, dcoder, eventually, status

_MODEL = "openai/gpt-4o-mini"
_EVENTS = """
    SELECT payload->'data'->>'executionId' AS execution, subject, count(*) AS times FROM outbox
    WHERE subject LIKE 'agent.%' GROUP BY 1, 2
"""
_STATES = "SELECT status, count(*) AS times FROM executions GROUP BY status"
_ERRORS = "SELECT error->>'code' AS code, count(*) AS times FROM executions WHERE error IS NOT NULL GROUP BY 1"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it.

    Attributes:
        effects: that the counting tool had.
        doubled: calls whose effect came twice.
        repeated: events that were said twice, or not at all.
        deaths: of workers.
    """

    executions: int
    states: dict[str, int]
    errors: dict[str, int]
    effects: int
    doubled: int
    repeated: int
    deaths: int
    seconds: float

    def check(self) -> None:
        """Compare it with what must hold.

        Raises:
            ScenarioError: it does not.
        """
        if self.states != {"completed": self.executions} or self.doubled or self.repeated or not self.deaths:
            raise ScenarioError(f"not survived: {self}")


@dataclass(frozen=True, slots=True)
class Ground:
    """Where it happens: a running platform, and a tenant of it with a provider.

    Attributes:
        admin_url: of Postgres, without a database.
        temporal: its process.
    """

    environment: dict[str, str]
    admin_url: str
    tenant_id: str
    database: str
    temporal: int


async def survive(ground: Ground, *, executions: int, deaths: int, seed: int = 1) -> Outcome:
    """Run executions while workers die, and look at what is left."""
    began, effects = time.monotonic(), f"chaos:{uuid.uuid4().hex}"
    before = {name: os.environ.get(name) for name in ground.environment}
    os.environ.update(ground.environment)
    runtime = Runtime(Settings(temporal_namespace=NAMESPACE))
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    try:
        async with _dying_workers(ground, effects, deaths, seed) as died:
            await _begin(await runtime.wired(agents), ground, executions)
            os.kill(ground.temporal, signal.SIGKILL)
            await _ended(ground, executions)
        counted = Counter(await runtime.redis.lrange(effects, 0, -1))
        await runtime.redis.delete(effects)
    finally:
        await runtime.close()
    return await _outcome(ground, executions, counted, sum(died), time.monotonic() - began)


@asynccontextmanager
async def _dying_workers(ground: Ground, effects: str, deaths: int, seed: int) -> AsyncIterator[list[int]]:
    """Workers that die within the block; after it the list says how many did.

    Raises:
        ScenarioError: whoever keeps them alive has failed.
    """
    command = [sys.executable, "-m", "scenarios.chaos.agent_workers", effects, str(deaths), str(seed)]
    died: list[int] = []
    with tempfile.TemporaryFile() as log:
        environment = {**os.environ, **ground.environment}
        workers = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE, stderr=log)
        try:
            yield died
        finally:
            workers.send_signal(signal.SIGTERM)
            told, _ = await workers.communicate()
        if workers.returncode:
            log.seek(-min(log.tell(), 2_000), os.SEEK_END)
            raise ScenarioError(f"the workers ended with {workers.returncode}: {log.read().decode(errors='replace')}")
        # Before it stands whatever Temporal's client has said while the server was away.
        died.append(int(json.loads(told.splitlines()[-1])["deaths"]))


async def _begin(use: Agents, ground: Ground, executions: int) -> None:
    behalf = OnBehalf(ground.tenant_id)
    caller = Caller(Place(ground.tenant_id, ground.database), behalf, "chaos", everything=True)
    for number in range(executions):
        task = {"task": f'Use chaos_count with n="{number}" please', "reflections": 0}
        async with use.begin():
            await use.executions.begin(caller, Order("react", task, None, _MODEL, Limits()))


async def _ended(ground: Ground, executions: int) -> None:
    database = await asyncpg.connect(f"{ground.admin_url}/{ground.database}")
    try:

        async def over() -> bool:
            count = await database.fetchval("SELECT count(*) FROM executions WHERE ended_at IS NOT NULL")
            return bool(count >= executions)

        await eventually(over, "the end of all executions", 200 + executions * 2)
    finally:
        await database.close()


async def _outcome(ground: Ground, executions: int, counted: Any, deaths: int, seconds: float) -> Outcome:
    database = await asyncpg.connect(f"{ground.admin_url}/{ground.database}")
    try:
        states = {row["status"]: row["times"] for row in await database.fetch(_STATES)}
        errors = {row["code"]: row["times"] for row in await database.fetch(_ERRORS)}
        events = [row["times"] for row in await database.fetch(_EVENTS)]
    finally:
        await database.close()
    return Outcome(
        executions=executions,
        states=states,
        errors=errors,
        effects=sum(counted.values()),
        doubled=sum(times - 1 for times in counted.values()),
        repeated=sum(times != 1 for times in events) + abs(len(events) - 3 * executions),
        deaths=deaths,
        seconds=round(seconds, 1),
    )


async def main(executions: int) -> Outcome:
    """On the running platform, with a tenant of its own."""
    report = status()
    if report is None:
        raise ScenarioError("the platform does not run: dcoder up --detach")
    async with client(report["edge"]) as edge:
        operator, slug = edge.as_(dcoder("token", "--role", "superadmin")), f"chaos-{uuid.uuid4().hex[:8]}"
        tenant = (await operator.call("POST", "/v1/tenants", {"name": slug, "slug": slug})).expect(201).body
        base = f"{report['components']['simulator']['address']}/openai/v1"
        provider = {"name": "openai", "kind": "openai", "apiKey": f"sk-{slug}", "baseUrl": base}
        path, own = f"/v1/tenants/{tenant['id']}/providers", edge.as_(tenant["apiKey"]["secret"])
        (await own.call("PUT", path, {"providers": [provider]})).expect(200)
    components = report["components"]
    ground = Ground(
        environment_of(components["agents-worker"]["pid"]),
        report["credentials"]["postgresAdminUrl"].rpartition("/")[0],
        tenant["id"],
        tenant["database"],
        components["temporal"]["pid"],
    )
    return await survive(ground, executions=executions, deaths=max(4, executions // 5))


if __name__ == "__main__":
    outcome = asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
    Console().print(outcome)
    outcome.check()
