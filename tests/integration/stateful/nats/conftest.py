"""A fresh NATS per test; Redis and Postgres once, emptied per test; a receiver in the functions' place."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio
from nats.js import JetStreamContext

from functions.kit.catalogue import Catalogue, load_catalogue
from functions.kit.identifiers import new_id
from stateful.nats.connection import Bus
from tests.integration.stateful.nats.receiver import Receiver
from tests.integration.stateful.nats.running import Running, write_function
from tests.integration.stateful.nats.servers import Server, nats_server, postgres_server, redis_server

_TABLES = """
    CREATE TABLE outbox (
        id uuid PRIMARY KEY,
        subject text NOT NULL,
        tenant_id uuid,
        payload jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz
    );
    CREATE INDEX ON outbox (created_at) WHERE published_at IS NULL;
"""
_DIRECTORY = """
    CREATE SCHEMA runtime;
    CREATE TABLE runtime.tenants (id uuid, database text);
"""

MakeCatalogue = Callable[..., Catalogue]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that every user may enter, as Postgres runs as another one when the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="dcoder-nats-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def nats(folder: Path) -> Iterator[Server]:
    server = nats_server(folder / new_id())
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_process(folder: Path) -> Iterator[Server]:
    server = redis_server(folder / "redis")
    server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture
async def redis_client(redis_process: Server) -> AsyncIterator["redis.asyncio.Redis"]:
    if not redis_process.running:
        redis_process.start()
    async with redis.asyncio.Redis(port=redis_process.port, protocol=2, socket_timeout=3) as client:
        await client.flushall()
        yield client


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[Server]:
    server = postgres_server(folder / "postgres")
    server.start()
    yield server
    server.kill()


MakeDatabase = Callable[..., Coroutine[Any, Any, str]]


@pytest_asyncio.fixture
async def make_database(postgres: Server) -> AsyncIterator[MakeDatabase]:
    """Makes a database with an outbox and gives its address."""
    names: list[str] = []

    async def make(name: str = "") -> str:
        names.append(name or f"platform_{new_id()[-12:]}")
        admin = await _connect(postgres, "postgres")
        await admin.execute(f'CREATE DATABASE "{names[-1]}"')
        await admin.close()
        connection = await _connect(postgres, names[-1])
        await connection.execute(_TABLES + _DIRECTORY)
        await connection.close()
        return f"postgresql://postgres@{postgres.address}/{names[-1]}"

    yield make
    admin = await _connect(postgres, "postgres")
    for name in names:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest_asyncio.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection to a fresh platform database."""
    connection = await asyncpg.connect(await make_database())
    yield connection
    await connection.close()


async def _connect(server: Server, database: str) -> "asyncpg.Connection[asyncpg.Record]":
    # The server listens a moment before it answers.
    for _ in range(200):
        try:
            return await asyncpg.connect(f"postgresql://postgres@{server.address}/{database}", timeout=5)
        except (asyncpg.CannotConnectNowError, OSError):
            await asyncio.sleep(0.02)
    raise RuntimeError(server.log())


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
def make_catalogue(tmp_path: Path) -> MakeCatalogue:
    """Makes a catalogue of event functions: name without context, subscriptions, timeout."""

    def make(**functions: tuple[str, ...]) -> Catalogue:
        root = tmp_path / new_id()
        for name, subjects in functions.items():
            write_function(root / "test" / name, subjects)
        return load_catalogue(root)

    return make


@pytest_asyncio.fixture
async def running() -> AsyncIterator[Running]:
    running = Running()
    async with running.stack:
        yield running


@pytest_asyncio.fixture
async def bus(nats: Server, running: Running) -> Bus:
    bus = running.bus(nats)
    await bus.session()
    return bus


@pytest_asyncio.fixture
async def js(bus: Bus) -> JetStreamContext:
    return (await bus.session())[1]
