"""`python -m stateful.postgres.backups`: says how backups are, as `platform-backup-check` sees them."""

import asyncio
import sys

from functions.kit.clock import rfc3339
from functions.kit.database import Databases
from functions.kit.errors import DcoderError
from functions.kit.objects import ObjectStorage
from functions.kit.settings import Settings, load_settings
from functions.platform.core.backups import Verdict
from functions.platform.wiring_sweeps import judging


def table(verdict: Verdict) -> str:
    """For people."""
    if verdict.state == "not configured":
        return "no backup is configured here: DCODER_BACKUPS is empty, and the log is not archived"
    lines = [f"{place}: {rfc3339(at) if at else 'no backup'}" for place, at in verdict.newest.items()]
    if verdict.archiving.is_on and verdict.archiving.kept_at:
        lines.append(
            f"log: kept until {rfc3339(verdict.archiving.kept_at)}, {verdict.archiving.behind} whole files wait"
        )
    wrong = [*verdict.faults, *verdict.unread, *([verdict.archive_fault] if verdict.archive_fault else [])]
    return "\n".join([verdict.state, *(f"  {line}" for line in lines), *(f"  ! {line}" for line in wrong)])


def main() -> int:
    """Command line; the exit status is 1 while something is wrong or cannot be told."""
    try:
        verdict = asyncio.run(_judge(load_settings()))
    except (DcoderError, ValueError) as error:
        sys.stderr.write(f"backups: {error}\n")
        return 1
    sys.stdout.write(f"{table(verdict)}\n")
    return 0 if verdict.state in {"good", "not configured"} else 1


async def _judge(settings: Settings) -> Verdict:
    databases = Databases(
        settings.database_url.get_secret_value(), pool_size=1, pools=1, timeout=settings.database_timeout_seconds
    )
    try:
        return await judging(settings, databases, ObjectStorage(settings), patience=0)()
    finally:
        await databases.close()


if __name__ == "__main__":
    sys.exit(main())
