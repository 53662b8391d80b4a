"""Postgres: connection pools per database, and the unit of work that a request or an event is."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

from functions.kit.audit import AuditRecord
from functions.kit.errors import DependencyUnavailable, Internal
from functions.kit.events import Event
from functions.kit.failures import is_no_argument
from functions.kit.subjects import AuditRecorded

PLATFORM = "platform"
OUTBOX_CHANNEL = "outbox"
AUDIT_SOURCE = "/audit"
APPEND_AUDIT = "SELECT audit.append($1, $2)"
_RELEASE_SECONDS = 2.0
_HINT_SECONDS = 1.0

if TYPE_CHECKING:
    Connection = PoolConnectionProxy[asyncpg.Record]
else:
    Connection = PoolConnectionProxy  # the class takes no parameter at run time
Credentials = Callable[[str], Awaitable[tuple[str, str]]]

_AWAY = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalClientError,
)
_ENQUEUE = """
    INSERT INTO outbox (id, subject, tenant_id, payload)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::jsonb[])
"""


@contextmanager
def reporting_away() -> Iterator[None]:
    """Turn "Postgres is not there" into the 503 that callers understand."""
    try:
        yield
    except _AWAY as error:
        if is_no_argument(error):
            raise
        raise DependencyUnavailable("the database is not available", details={"dependency": "postgres"}) from error


async def _prepare(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads, schema="pg_catalog"
        )


class Databases:
    """Pools per database behind a bounded LRU: a thousand tenants, a handful of connections.

    Args:
        url: address of the platform database; its host and port serve the tenants' databases too.
        pool_size: most connections per database.
        pools: most databases with a pool at once.
        timeout: seconds for connecting, waiting for a connection, and one statement.
        credentials: gives role and password of a tenant's database.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        pools: int = 32,
        timeout: float = 10.0,
        credentials: Credentials | None = None,
    ) -> None:
        self._url = url
        self._pool_size = pool_size
        self._limit = pools
        self._timeout = timeout
        self._credentials = credentials
        self._pools: OrderedDict[str, asyncpg.Pool[asyncpg.Record]] = OrderedDict()
        self._opening: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def acquire(self, database: str = PLATFORM) -> AsyncIterator[Connection]:
        """A connection outside any unit of work: each statement its own transaction.

        Raises:
            DependencyUnavailable: Postgres is away, or every connection stays busy.
        """
        self._users[database] += 1
        try:
            with reporting_away():
                pool = await self._pool(database)
                connection = await pool.acquire(timeout=self._timeout)
                try:
                    yield connection
                finally:
                    # A server that hangs has had its time: what cannot be reset soon is closed, and the caller told.
                    await asyncio.shield(pool.release(connection, timeout=min(self._timeout, _RELEASE_SECONDS)))
        finally:
            self._users[database] -= 1
            if not self._users[database]:
                del self._users[database]

    async def close(self) -> None:
        """Close every pool, waiting briefly for what is under way."""
        pools, self._pools = list(self._pools.values()), OrderedDict()
        await asyncio.gather(*(_close(pool) for pool in pools))

    async def _pool(self, database: str) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening.setdefault(database, asyncio.Lock()):
            if database not in self._pools:
                self._pools[database] = await asyncpg.create_pool(
                    await self._address(database),
                    min_size=0,
                    max_size=self._pool_size,
                    timeout=self._timeout,
                    command_timeout=self._timeout,
                    max_inactive_connection_lifetime=60,
                    init=_prepare,
                    server_settings={"application_name": "dcoder"},
                )
            self._pools.move_to_end(database)
            pool = self._pools[database]
        await self._shrink()
        return pool

    async def _shrink(self) -> None:
        for name in list(self._pools):
            if len(self._pools) <= self._limit:
                return
            # Counted from before a pool is looked up, so that none is closed under somebody about to use it.
            if name != PLATFORM and name not in self._users:
                self._opening.pop(name, None)
                await _close(self._pools.pop(name))

    async def _address(self, database: str) -> str:
        parts = urlsplit(self._url)
        if database == PLATFORM:
            return self._url
        if self._credentials is None:
            raise Internal(f"no credentials for database {database}")
        role, password = await self._credentials(database)
        host = f"{parts.hostname}:{parts.port or 5432}"
        return urlunsplit((parts.scheme, f"{role}:{quote(password, safe='')}@{host}", f"/{database}", parts.query, ""))


async def _close(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    try:
        await asyncio.wait_for(pool.close(), 5)
    except (TimeoutError, *_AWAY):
        pool.terminate()


class UnitOfWork:
    """One transaction per database touched, begun lazily, committed together at a clean end.

    Events emitted within are rows of the same transaction: a fact and its event exist both or neither. So is the audit
    record; where the fact is in a tenant's database, the record travels to its chain as an event from there.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        # Made with the first connection: most calls of a model need none.
        self._stack: AsyncExitStack | None = None
        self._connections: dict[str, Connection] = {}
        self._transactions: dict[str, Transaction] = {}
        self._events: dict[str, list[Event]] = {}
        self._record: AuditRecord | None = None
        self._abandoned = False

    async def __aenter__(self) -> Self:
        self._token = _unit_of_work.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _unit_of_work.reset(self._token)
        if self._stack is None and not self._events and self._record is None:
            return
        is_sound = kind is None and not self._abandoned
        async with self._releasing():
            await (self._commit() if is_sound else self._rollback())
        if is_sound:
            # With no connection in hand: who waits for one while holding another can wait for ever.
            await self._hint(self._events.keys() - {PLATFORM})

    async def connection(self, database: str = PLATFORM) -> Connection:
        """The connection of this unit of work to a database, its transaction begun.

        Raises:
            DependencyUnavailable: Postgres is away.
        """
        if database not in self._connections:
            connection = await self._releasing().enter_async_context(self._databases.acquire(database))
            transaction = connection.transaction()
            with reporting_away():
                await transaction.start()
            self._connections[database], self._transactions[database] = connection, transaction
        return self._connections[database]

    def _releasing(self) -> AsyncExitStack:
        if self._stack is None:
            self._stack = AsyncExitStack()
        return self._stack

    def emit(self, event: Event, *, database: str = PLATFORM) -> None:
        """Say `event` if and only if this unit of work commits."""
        self._events.setdefault(database, []).append(event)

    def record(self, record: AuditRecord) -> None:
        """Keep an audit record if and only if this unit of work commits."""
        self._record = record

    def abandon(self) -> None:
        """Roll back at the end although nothing was raised."""
        self._abandoned = True

    async def _commit(self) -> None:
        tenants = sorted(self._transactions.keys() - {PLATFORM})
        if self._record and tenants:
            said = AuditRecorded(chain=self._record.chain, record=self._record.text)
            self.emit(Event.of(said, tenant_id=None, source=AUDIT_SOURCE), database=tenants[0])
        for database, events in self._events.items():
            await _enqueue(await self.connection(database), events)
        with reporting_away():
            if PLATFORM in self._events:
                await (await self.connection()).execute("SELECT pg_notify($1, current_database())", OUTBOX_CHANNEL)
            if self._record and not tenants:
                # The last statement: it locks the chain until the commit.
                await (await self.connection()).execute(APPEND_AUDIT, self._record.chain, self._record.text)
            # The platform's transaction goes last: it holds the idempotency record, which must not outrun the fact.
            for database in sorted(self._transactions, key=lambda name: name == PLATFORM):
                await self._transactions[database].commit()

    async def _hint(self, databases: Iterable[str]) -> None:
        """Tell the relay which tenants have events: it listens on the platform's database, and polls in any case."""
        for database in databases:
            with suppress(DependencyUnavailable, *_AWAY):
                # What is committed is answered, also when the server has stopped answering since.
                async with asyncio.timeout(_HINT_SECONDS), self._databases.acquire() as session:
                    await session.execute("SELECT pg_notify($1, $2)", OUTBOX_CHANNEL, database)

    async def _rollback(self) -> None:
        for transaction in self._transactions.values():
            # A connection that is gone has rolled back by itself.
            with suppress(*_AWAY):
                await transaction.rollback()


async def _enqueue(connection: Connection, events: list[Event]) -> None:
    with reporting_away():
        await connection.execute(
            _ENQUEUE,
            [event.id for event in events],
            [event.type for event in events],
            [event.tenant_id for event in events],
            [orjson.loads(event.to_json()) for event in events],
        )


_unit_of_work: ContextVar[UnitOfWork | None] = ContextVar("dcoder_unit_of_work", default=None)


async def connection(database: str = PLATFORM) -> Connection:
    """The current unit of work's connection to a database; what adapters run their SQL on."""
    return await unit_of_work().connection(database)


def unit_of_work() -> UnitOfWork:
    """The unit of work being served.

    Raises:
        RuntimeError: none is.
    """
    ambient = _unit_of_work.get()
    if ambient is None:
        raise RuntimeError("no unit of work is open here")
    return ambient
