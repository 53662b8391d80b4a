"""`python -m stateful.redis.reconcile`: compares Redis, the mirror and the ledger, and repairs what differs."""

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from functions.kit.clock import utc_now
from functions.kit.settings import load_settings
from functions.platform.core.reconcile_quotas import Report
from functions.platform.wiring_upkeep import reconciling


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
