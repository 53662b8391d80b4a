"""A Postgres of the folder's own: migrations change what others would trip over."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import asyncpg
import pytest
import pytest_asyncio

from stateful.postgres.cluster import Cluster
from stateful.postgres.histories import History, load_histories
from stateful.postgres.migrate import Migration, Options, Outcome
from tests.integration.platform.postgres import Postgres, postgres_server


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres_server() as running:
        yield running


@dataclass(frozen=True)
class Databases:
    """The server under migration; its superuser provisions here."""

    server: Postgres

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.server.url(), self.server.url("platform", "dcoder_platform", "functions"))

    async def migrate(self, options: Options | None = None, histories: tuple[History, ...] | None = None) -> Outcome:
        return await Migration(self.cluster, histories or load_histories(), options or Options()).run()

    async def execute(self, statement: str, database: str = "postgres") -> None:
        session = await asyncpg.connect(self.server.url(database))
        try:
            await session.execute(statement)
        finally:
            await session.close()


@pytest_asyncio.fixture
async def databases(server: Postgres) -> AsyncIterator[Databases]:
    """A server with nothing of the platform on it."""
    databases = Databases(server)
    yield databases
    session = await asyncpg.connect(server.url())
    for row in await session.fetch(r"SELECT datname FROM pg_database WHERE datname ~ '^(platform|tenant_.+)$'"):
        await session.execute(f'DROP DATABASE "{row["datname"]}" WITH (FORCE)')
    for role in ("dcoder_platform", "tenant_member"):
        await session.execute(f"DROP ROLE IF EXISTS {role}")
    await session.close()
