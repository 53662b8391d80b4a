"""What it costs, where usage is mirrored, to keep everybody's key figures beside the tenants'.

`python -m scenarios.load.mirroring`, against a platform that runs and has nothing else to do (`dcoder up --detach`):
one batch after the other, in turn with the triggers of `kpis` and `kpi_latency` and without.
"""

import asyncio
import statistics
import time
import uuid

from functions.kit.clock import utc_now
from functions.kit.database import Databases, UnitOfWork, connection
from functions.kit.identifiers import new_id
from functions.kit.subjects import UsageRecord
from functions.platform.adapters.postgres_usage import PostgresUsage
from local.cli.lifecycle import running_state
from local.embedded.stack import Stack
from local.paths import Home

_BATCHES = {1: 300, 20: 200, 500: 40}
_TENANTS = 20
_MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1")
# Of this session alone, which must be a superuser's; the tables have no other triggers.
_WITHOUT = "SET LOCAL session_replication_role = replica"


async def main() -> None:
    """Measure and print."""
    home = Home.locate()
    running_state(home)
    url = str(Stack.existing(home).disclosed()["postgresAdminUrl"]).rpartition("/")[0]
    databases = Databases(f"{url}/platform")
    tenants = [str(uuid.uuid4()) for _ in range(_TENANTS)]
    print("records  without, ms  with, ms   (median of a batch, commit included)")
    try:
        for size, rounds in _BATCHES.items():
            taken: dict[bool, list[float]] = {True: [], False: []}
            for number in range(rounds):
                for kept in (True, False) if number % 2 else (False, True):
                    taken[kept].append(await _batch(databases, tenants[number % _TENANTS], size, kept=kept))
            bare, whole = (statistics.median(taken[kept]) * 1000 for kept in (False, True))
            print(f"{size:7}  {bare:11.2f}  {whole:8.2f}   {whole / bare - 1:+.0%}")
    finally:
        await databases.close()


async def _batch(databases: Databases, tenant_id: str, size: int, *, kept: bool) -> float:
    records = [_record(tenant_id, number) for number in range(size)]
    began = time.perf_counter()
    async with UnitOfWork(databases):
        if not kept:
            await (await connection()).execute(_WITHOUT)
        await PostgresUsage().add(records)
    return time.perf_counter() - began


def _record(tenant_id: str, number: int) -> UsageRecord:
    return UsageRecord(
        usage_id=new_id(),
        tenant_id=tenant_id,
        at=utc_now(),
        provider="openai",
        model=_MODELS[number % len(_MODELS)],
        operation="chat",
        prompt_tokens=400,
        completion_tokens=90,
        cost_micro_usd=1200,
        user_id=f"user-{number % 50}",
        latency_ms=200 + number * 37 % 3800,
    )


if __name__ == "__main__":
    asyncio.run(main())
