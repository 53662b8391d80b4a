"""How long key figures take with many tenants: `python -m scenarios.load.key_figures` on the platform that runs here.

It fills the figures' tables with a month of made-up sums, so give it a platform of its own.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import asyncpg
from rich.console import Console
from rich.table import Table

from scenarios.platform import Client, ScenarioError, client, dcoder, status

_ROUNDS = 15
_TABLES = ("tenants", "kpis", "kpi_latency", "kpis_together", "kpi_latency_together", "kpi_users", "usage_hourly")
_TENANTS = """
    INSERT INTO tenants (id, slug, name, status, plan, database, database_role, database_secret)
    SELECT uuidv7(), 'load-' || n, 'Load ' || n, 'active', 'standard', 'load_' || n, 'load_' || n, '\\x00'
    FROM generate_series(1, $1::int) n ON CONFLICT DO NOTHING
"""
_BUCKETS = """
    (SELECT 'day' AS grain,
            generate_series(date_trunc('day', now(), 'UTC') - interval '29 days', now(), '1 day') AS bucket
     UNION ALL
     SELECT 'hour', generate_series(date_trunc('hour', now(), 'UTC') - interval '7 days', now(), '1 hour')
     UNION ALL
     SELECT 'minute', generate_series(date_trunc('minute', now(), 'UTC') - interval '1 hour', now(), '1 minute')) b
"""
_FILL = (
    f"""
    INSERT INTO kpis SELECT b.grain, t.id, b.bucket, 'openai', 'model-' || m, 100, 10, 85, 3, 20, 40000, 9000,
           8000, 12000, 2000
    FROM tenants t, {_BUCKETS}, generate_series(1, 3) m WHERE t.slug LIKE 'load-%' ON CONFLICT DO NOTHING
    """,  # noqa: S608 - made of this module's own text
    f"""
    INSERT INTO kpi_latency SELECT b.grain, t.id, b.bucket, 100 + 4 * s, 10 + s
    FROM tenants t, {_BUCKETS}, generate_series(1, 15) s WHERE t.slug LIKE 'load-%' ON CONFLICT DO NOTHING
    """,  # noqa: S608 - made of this module's own text
    f"""
    INSERT INTO kpi_users SELECT b.grain, t.id, b.bucket, 'user-' || u
    FROM tenants t, {_BUCKETS}, generate_series(1, 5) u WHERE t.slug LIKE 'load-%' AND b.grain <> 'minute'
    ON CONFLICT DO NOTHING
    """,  # noqa: S608 - made of this module's own text
    f"""
    INSERT INTO usage_hourly (tenant_id, bucket, provider, model, operation, user_id, groups, cached, requests,
                              failed_requests, cached_requests, uncounted_requests, prompt_tokens, completion_tokens,
                              saved_tokens, cost_micro_usd)
    SELECT t.id, b.bucket, 'openai', 'model-1', 'chat', 'user-' || u, '{{}}', 'miss', 30, 1, 0, 0, 12000, 2700, 0, 3600
    FROM tenants t, {_BUCKETS}, generate_series(1, 5) u WHERE t.slug LIKE 'load-%' AND b.grain = 'hour'
    ON CONFLICT DO NOTHING
    """,  # noqa: S608 - made of this module's own text
    """
    INSERT INTO quota_sets (tenant_id, version) SELECT id, nextval('quota_versions') FROM tenants
    WHERE slug LIKE 'load-%' ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO quotas (id, tenant_id, position, subject_kind, metric, period, maximum, hard, thresholds)
    SELECT uuidv7(), id, 0, 'tenant', 'cost', 'month', 1000000000, true, '{90}' FROM tenants WHERE slug LIKE 'load-%'
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO quota_counters (quota_id, window_start, used)
    SELECT id, date_trunc('month', now(), 'UTC'), 1000000 FROM quotas ON CONFLICT DO NOTHING
    """,
    "VACUUM (ANALYZE)",
)


async def fill(url: str, tenants: int) -> dict[str, int]:
    """Make tenants and their figures; returns the tables' rows."""
    connection = await asyncpg.connect(url)
    try:
        if tenants:
            await connection.execute(_TENANTS, tenants)
            for statement in _FILL:
                await connection.execute(statement, timeout=900)
        return {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in _TABLES}  # noqa: S608
    finally:
        await connection.close()


async def measured(call: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Median and 95th percentile of a call, in milliseconds."""
    taken = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


async def run(tenants: int) -> Table:
    """Fill and measure.

    Args:
        tenants: how many to have figures of; 0 fills nothing and measures what there is.

    Raises:
        ScenarioError: no platform runs here, or it does not answer as it must.
    """
    report = status()
    if report is None:
        raise ScenarioError("the platform does not run: dcoder up --detach")
    rows = await fill(report["credentials"]["postgresUrl"], tenants)
    table = Table(title=", ".join(f"{name} {count:,}" for name, count in rows.items()))
    for heading in ("call", "p50 ms", "p95 ms"):
        table.add_column(heading)
    async with client(report["edge"]) as platform:
        operator: Client = platform.as_(dcoder("token", "--role", "superadmin"))
        first = (await operator.call("GET", "/v1/tenants?limit=1")).expect(200).body["items"][0]["id"]
        for span in ("1h", "24h", "7d", "30d"):
            for path in (f"/v1/tenants/{first}/kpis?range={span}", f"/v1/kpis?range={span}"):

                async def call(path: str = path) -> object:
                    return (await operator.call("GET", path)).expect(200)

                median, high = await measured(call)
                table.add_row(path.replace(first, "…"), f"{median:.0f}", f"{high:.0f}")
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m scenarios.load.key_figures", description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000, help="0: measure what was filled in before")
    Console().print(asyncio.run(run(parser.parse_args().tenants)))


if __name__ == "__main__":
    main()
