"""`python -m stateful.redis.reconcile`: compares Redis, the mirror and the ledger, and repairs what differs."""

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import redis.asyncio

from functions.kit.clock import utc_now
from functions.kit.database import Databases
from functions.kit.settings import Settings, load_settings
from functions.platform.adapters.postgres_ledger import PostgresLedger
from functions.platform.adapters.redis_counters import RedisCounters
from functions.platform.core.reconcile_quotas import ReconcileQuotas, Report

# Sums over a busy tenant's month take longer than a request may.
_STATEMENT_SECONDS = 300.0


@asynccontextmanager
async def reconciling(settings: Settings, *, patience: float = 30.0) -> AsyncIterator[ReconcileQuotas]:
    """The use case on the platform's own Postgres and Redis."""
    databases = Databases(settings.database_url.get_secret_value(), pool_size=2, pools=1, timeout=_STATEMENT_SECONDS)
    client = redis.asyncio.Redis.from_url(
        settings.redis_url.get_secret_value(), protocol=2, socket_timeout=10, socket_connect_timeout=5
    )
    try:
        yield ReconcileQuotas(PostgresLedger(databases), RedisCounters(client), patience=patience)
    finally:
        await client.aclose()
        await databases.close()


def table(report: Report) -> str:
    """The report for people."""
    lines = [
        f"  {drift.state:<8} {drift.what:<8} tenant {drift.tenant_id} {drift.name}: {drift.had}, not {drift.should}"
        for drift in report.drifts
    ]
    return "\n".join([f"{report.tenants} tenants, {report.limits} limits, {len(lines)} differences", *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit status is 1 while anything still differs."""
    parser = argparse.ArgumentParser(prog="python -m stateful.redis.reconcile", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="report and change nothing")
    parser.add_argument("--since", metavar="DATE", help="compare the sums from this day on; by default this month")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds to wait for a pause between calls")
    parser.add_argument("--json", action="store_true", help="report for programs")
    options = parser.parse_args(arguments)
    since = datetime.fromisoformat(options.since) if options.since else utc_now().replace(day=1)
    report = asyncio.run(_run(since, repair=not options.dry_run, patience=options.patience))
    print(json.dumps(dataclasses.asdict(report)) if options.json else table(report))  # noqa: T201 - its purpose
    return 0 if report.is_sound else 1


async def _run(since: datetime, *, repair: bool, patience: float) -> Report:
    since = since.astimezone(UTC) if since.tzinfo else since.replace(tzinfo=UTC)
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    async with reconciling(load_settings(), patience=patience) as reconcile:
        return await reconcile(midnight, repair=repair)


if __name__ == "__main__":
    sys.exit(main())
