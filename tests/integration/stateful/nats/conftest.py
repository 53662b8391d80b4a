"""A fresh NATS per test; Redis and Postgres once, emptied per test; a receiver in the functions' place."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio
from nats.js import JetStreamContext

from functions.kit.catalogue import Catalogue, load_catalogue
from functions.kit.identifiers import new_id
from functions.platform.adapters.postgres_server import MEMBER_ROLE
from stateful.nats.connection import Bus
from stateful.postgres.cluster import Cluster
from stateful.postgres.histories import load_histories
from stateful.postgres.migrate import Migration, Options
from tests.integration.stateful.nats.databases import FUNCTIONS_ROLE, TENANT_ROLE, PlatformDatabase
from tests.integration.stateful.nats.receiver import Receiver
from tests.integration.stateful.nats.running import Running, write_function
from tests.integration.stateful.nats.servers import Server, nats_server, postgres_server, redis_server, temporal_server

MakeCatalogue = Callable[..., Catalogue]
NO_SCHEDULES: Mapping[str, str] = MappingProxyType({})


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
def temporal(folder: Path) -> Iterator[Server]:
    server = temporal_server(folder / "temporal")
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


@pytest_asyncio.fixture(scope="session")
async def migrated(postgres: Server) -> Server:
    """The server with the platform's schema in the databases `platform` and `tenant_template`."""
    admin, functions = (f"postgresql://{role}@{postgres.address}" for role in ("postgres", FUNCTIONS_ROLE))
    cluster = Cluster(f"{admin}/postgres", f"{functions}/platform")
    outcome = await Migration(cluster, load_histories(), Options()).run()
    assert not outcome.failed
    connection = await asyncpg.connect(f"{admin}/postgres")
    await connection.execute(f"CREATE ROLE {TENANT_ROLE} LOGIN IN ROLE {MEMBER_ROLE}")
    await connection.close()
    return postgres


@pytest_asyncio.fixture
async def database(migrated: Server) -> AsyncIterator[PlatformDatabase]:
    """A fresh platform database."""
    async with PlatformDatabase.made(migrated.address) as database:
        yield database


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
def make_catalogue(tmp_path: Path) -> MakeCatalogue:
    """Makes a catalogue of event functions: name without context, subscriptions, timeout."""

    def make(schedules: Mapping[str, str] = NO_SCHEDULES, **functions: tuple[str, ...]) -> Catalogue:
        root = tmp_path / new_id()
        for name, subjects in functions.items():
            write_function(root / "test" / name, subjects, schedules.get(name, ""))
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
