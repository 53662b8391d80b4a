"""Embeddings are kept as long as they are of use."""

import pytest

from functions.kit.database import UnitOfWork, connection
from functions.knowledge.adapters.postgres_embeddings import PostgresEmbeddings
from tests.integration.knowledge_search.library import PostgresLibrary

pytestmark = pytest.mark.integration

_AGE = "UPDATE embeddings SET used_on = current_date - $1::int"


async def test_embeddings_that_nobody_asked_for_in_a_month_are_forgotten(postgres_library: PostgresLibrary) -> None:
    databases, space, kept = postgres_library.databases, postgres_library.space, PostgresEmbeddings()
    asked, old, new = b"a" * 32, b"b" * 32, b"c" * 32
    async with UnitOfWork(databases):
        await kept.keep(space, "m", {asked: [1.0, 0.5], old: [0.25, 2.0]})
    async with UnitOfWork(databases):
        await (await connection(space.database)).execute(_AGE, 31)
        assert list(await kept.known(space, "m", [asked])) == [asked]
        assert await kept.known(space, "another", [asked]) == {}
    async with UnitOfWork(databases):
        await kept.keep(space, "m", {new: [0.0, 1.0]})
    async with UnitOfWork(databases):
        left = await kept.known(space, "m", [asked, old, new])
    assert {key: list(vector) for key, vector in left.items()} == {asked: [1.0, 0.5], new: [0.0, 1.0]}
    async with UnitOfWork(databases):
        await (await connection(space.database)).execute(_AGE, 30)
        await kept.keep(space, "m", {new: [0.0, 1.0]})
        assert len(await kept.known(space, "m", [asked, new])) == 2
