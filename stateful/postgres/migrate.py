"""Applies the schema histories to every database: `python -m stateful.postgres.migrate`.

Sound to run at any time, also twice at once: what is there stays, what is missing is made.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import asyncpg

from functions.kit.settings import load_settings
from functions.platform.adapters.postgres_server import TEMPLATE_DATABASE
from stateful.postgres.cluster import Cluster, Connection, ServerTooOld, platform_setup, tenant_setup
from stateful.postgres.histories import History, Target, load_histories
from stateful.postgres.schema import Change, SchemaError, Setup, apply, exceeding, lacking

_PARALLEL = 8
_WAIT_SECONDS = 30.0
_LOCK_WAIT_SECONDS = 600
_DATABASE_SECONDS = 900
_TELL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a run does.

    Attributes:
        downgrade: a history and the older revision to take it back to, None for nothing at all.
        parallel: how many tenants' databases are worked on at once.
        wait_seconds: how long to wait for the server.
    """

    dry_run: bool = False
    tenants_only: bool = False
    downgrade: tuple[History, str | None] | None = None
    parallel: int = _PARALLEL
    wait_seconds: float = _WAIT_SECONDS


@dataclass(slots=True)
class Outcome:
    """What a run did, database by database.

    Attributes:
        tenants: how many tenants' databases there are.
        looked_at: how many of them are done, changed or not.
    """

    changed: dict[str, list[Change]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tenants: int = 0
    looked_at: int = 0


def silently(_: Outcome) -> None:
    """Tell nobody how far a run is."""


class Migration:
    """One run over all databases of a server.

    Args:
        tell: called after each database with what is done so far.
    """

    def __init__(
        self,
        cluster: Cluster,
        histories: Sequence[History],
        options: Options,
        tell: Callable[[Outcome], None] = silently,
    ) -> None:
        self._cluster = cluster
        self._histories = histories
        self._options = options
        self._tell = tell
        self._outcome = Outcome()

    async def run(self) -> Outcome:
        """Migrate; of runs at the same time one waits for the other.

        Raises:
            ServerTooOld: it is older than what the schemas are written for.
            OSError: the server did not answer in time.
            TimeoutError: another run does not end.
        """
        admin = await self._cluster.connect(wait_seconds=self._options.wait_seconds)
        try:
            async with asyncio.timeout(_LOCK_WAIT_SECONDS):
                await self._cluster.lock(admin)
            if not self._options.dry_run:
                await self._cluster.prepare(admin)
            await self._run(admin)
        finally:
            await admin.close(timeout=5)
        return self._outcome

    async def _run(self, admin: Connection) -> None:
        if not self._options.tenants_only:
            await self._migrate(self._cluster.platform, Target.PLATFORM)
        await self._migrate(TEMPLATE_DATABASE, Target.TENANT)
        # Only now: a database cloned from the template before it changed has become visible by this time, because
        # connecting to the template waits for the clones under way. One cloned later is new already.
        tenants = await self._cluster.tenants(admin)
        self._outcome.tenants = len(tenants)
        turns = asyncio.Semaphore(self._options.parallel)
        async with asyncio.TaskGroup() as group:
            for tenant in tenants:
                group.create_task(self._in_turn(turns, tenant))
        if self._outcome.failed:
            await self._forget_the_gone(admin)

    async def _in_turn(self, turns: asyncio.Semaphore, database: str) -> None:
        async with turns:
            await self._migrate(database, Target.TENANT)
            self._outcome.looked_at += 1
            self._tell(self._outcome)

    async def _migrate(self, database: str, target: Target) -> None:
        """Migrate one database; a failure is noted and the others go on."""
        dsn = self._cluster.dsn(database)
        try:
            async with asyncio.timeout(_DATABASE_SECONDS):
                changes = await self._changes(dsn, target)
                if changes and not self._options.dry_run:
                    await apply(dsn, changes, self._setup(target))
        except (SchemaError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._outcome.failed[database] = str(error) or type(error).__name__
        else:
            if changes:
                self._outcome.changed[database] = changes

    async def _changes(self, dsn: str, target: Target) -> list[Change]:
        """What is to be done; a database that does not exist is empty (only a dry run meets one)."""
        if self._options.downgrade is None:
            histories = [history for history in self._histories if target in history.targets]
            try:
                return await lacking(dsn, histories)
            except asyncpg.InvalidCatalogNameError:
                return [Change(history, None, history.head) for history in histories]
        history, revision = self._options.downgrade
        return await exceeding(dsn, history, revision) if target in history.targets else []

    def _setup(self, target: Target) -> Setup:
        return platform_setup(self._cluster.functions_role) if target is Target.PLATFORM else tenant_setup()

    async def _forget_the_gone(self, admin: Connection) -> None:
        """A database that was dropped meanwhile has not failed."""
        existing = await self._cluster.databases(admin)
        self._outcome.failed = {name: why for name, why in self._outcome.failed.items() if name in existing}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line.

    Returns:
        exit status: 0, or 1 when a database failed; the output names it.
    """
    options = _options(arguments)
    settings = load_settings()
    if settings.database_admin_url is None:
        return _fail("DCODER_DATABASE_ADMIN_URL is not set")
    cluster = Cluster(settings.database_admin_url.get_secret_value(), settings.database_url.get_secret_value())
    try:
        outcome = asyncio.run(Migration(cluster, load_histories(), options, _Progress(_say).tell).run())
    except ServerTooOld as error:
        return _fail(str(error))
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return _fail(f"{type(error).__name__}: {error}")
    return _report(outcome, dry_run=options.dry_run)


class _Progress:
    """Says every few seconds how far a long run is; a short one says nothing."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last = time.monotonic()

    def tell(self, outcome: Outcome) -> None:
        now = time.monotonic()
        if now - self._last >= _TELL_SECONDS:
            self._last = now
            self._say(f"{outcome.looked_at} of {outcome.tenants} tenants, {len(outcome.failed)} failed")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m stateful.postgres.migrate", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and do nothing")
    parser.add_argument("--tenants-only", action="store_true", help="leave the platform database out")
    parser.add_argument("--downgrade", nargs=2, metavar=("HISTORY", "REVISION"), help="REVISION may be `base`")
    parser.add_argument("--parallel", type=int, default=_PARALLEL, help="tenants' databases at once")
    parser.add_argument("--wait", type=float, default=_WAIT_SECONDS, help="seconds to wait for the server")
    given = parser.parse_args(arguments)
    downgrade = None
    if given.downgrade:
        name, revision = given.downgrade
        history = next((history for history in load_histories() if history.name == name), None)
        if history is None or revision not in (*history.revisions, "base"):
            parser.error(f"there is no revision {revision} of a history {name}")
        downgrade = history, None if revision == "base" else revision
    return Options(given.dry_run, given.tenants_only, downgrade, max(1, given.parallel), given.wait)


def _report(outcome: Outcome, *, dry_run: bool) -> int:
    verb = "would change" if dry_run else "changed"
    for database, changes in outcome.changed.items():
        sys.stdout.write(f"{database}: {verb} {', '.join(str(change) for change in changes)}\n")
    for database, why in outcome.failed.items():
        sys.stderr.write(f"{database}: failed: {why}\n")
    count = len(outcome.changed)
    sys.stdout.write(f"{count} {verb}, {len(outcome.failed)} failed, {outcome.tenants} tenants\n")
    return 1 if outcome.failed else 0


def _fail(message: str) -> int:
    sys.stderr.write(f"migrate: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
