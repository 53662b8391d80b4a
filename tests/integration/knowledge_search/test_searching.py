"""The use case of searching over a real store: models that change, and rerankers of other kinds."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from functions.kit.database import connection
from functions.kit.service_tokens import OnBehalf
from functions.knowledge.adapters.http_reranker import HttpReranker
from functions.knowledge.adapters.postgres_corpora import PostgresCorpora
from functions.knowledge.core.errors import CorpusNotFound, ModelRefused
from functions.knowledge.core.models import IndexSettings, IndexStatus, Reader
from functions.knowledge.core.search import Search, SearchRequest
from functions.knowledge.core.search_ports import Passage
from tests.integration.knowledge_search.library import ADMIN, Library, PostgresLibrary

pytestmark = pytest.mark.integration

BEHALF = OnBehalf("t")


class Embedder:
    """Port `QueryEmbedder` that says the same of every question."""

    def __init__(self, *vector: float) -> None:
        self.vector = vector

    async def embed_query(self, behalf: OnBehalf, model: str, query: str) -> Sequence[float]:
        del behalf, model, query
        return self.vector


class Unasked:
    """Port `Reranker` that is not to be asked."""

    async def rerank(self, behalf: OnBehalf, query: str, passages: Sequence[Passage]) -> Sequence[float]:
        raise AssertionError(query)


class CrossEncoder:
    """A server of Text Embeddings Inference's `POST /rerank`: `{query, texts}` to `[{index, score}]`, best first."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[dict[str, object]] = []

    async def rerank(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        if self.status != 200:
            return web.json_response({"error": "overloaded", "error_type": "Overloaded"}, status=self.status)
        words = set(body["query"].lower().split())
        scores = [len(words & set(text.lower().split())) / len(words) for text in body["texts"]]
        ranked = sorted(enumerate(scores), key=lambda pair: -pair[1])
        return web.json_response([{"index": at, "score": score} for at, score in ranked])


@pytest.fixture
async def stocked(library: Library) -> Library:
    corpus = await library.corpus(settings=IndexSettings(embedding_model="m", language="en"))
    texts = ("ships pass the light at night", "the keeper counts ships", "oil for the lamp")
    await library.add(corpus, *texts, vectors=[(1.0, 0.0), (0.9, 0.1), (0.0, 1.0)])
    return library


async def test_a_model_whose_embeddings_have_another_length_is_left_out(stocked: Library) -> None:
    search = Search(stocked.search, Embedder(1.0, 0.0, 0.0), Unasked())
    found = await search(stocked.space, ADMIN, BEHALF, SearchRequest("who counts ships"))
    assert found.hits[0].passage.chunk.text == "the keeper counts ships"
    assert [(left.stage, left.code) for left in found.degraded] == [("meaning", "model_refused")]
    assert "3" in found.degraded[0].message
    with pytest.raises(ModelRefused):
        await search(stocked.space, ADMIN, BEHALF, SearchRequest("who counts ships", hybrid=False))


class Meanwhile(Embedder):
    """Has something done while a question is being embedded."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        super().__init__(1.0, 0.0)
        self.work = work

    async def embed_query(self, behalf: OnBehalf, model: str, query: str) -> Sequence[float]:
        await self.work()
        return await super().embed_query(behalf, model, query)


async def test_a_corpus_that_is_closed_while_a_model_is_asked_tells_nothing(postgres_library: PostgresLibrary) -> None:
    library, reader = postgres_library, Reader(frozenset({"keepers"}))
    corpus = await library.corpus(settings=IndexSettings(embedding_model="m", language="en"))
    await library.add(corpus, "ships pass the light", vectors=[(1.0, 0.0)])

    async def close() -> None:
        async with library.writing():
            await (await connection(library.space.database)).execute("UPDATE corpora SET groups = '{guests}'")

    found = await Search(library.search, Embedder(1.0, 0.0), Unasked())(
        library.space, reader, BEHALF, SearchRequest("ships")
    )
    assert len(found.hits) == 1
    closing = Search(library.search, Meanwhile(close), Unasked())
    with pytest.raises(CorpusNotFound):
        await closing(library.space, reader, BEHALF, SearchRequest("ships", [corpus]))
    assert not (await closing(library.space, reader, BEHALF, SearchRequest("ships"))).hits


async def test_an_index_that_is_switched_while_a_model_is_asked_is_searched(postgres_library: PostgresLibrary) -> None:
    library, corpora = postgres_library, PostgresCorpora()
    corpus = await library.corpus(settings=IndexSettings(embedding_model="m", language="en"))
    document = await library.add(corpus, "ships pass the light", vectors=[(1.0, 0.0)])
    former = library.indexes[corpus]

    async def switch() -> None:
        newer = replace(former, id=str(uuid.uuid4()), status=IndexStatus.BUILDING)
        library.indexes[corpus] = newer
        async with library.writing():
            await corpora.add_index(library.space, newer)
            await library.put(document, "ships pass the light", "at night", vectors=[(1.0, 0.0), (0.0, 1.0)])
            await corpora.switch(library.space, newer)
            await library.store.drop_index(library.space, former.id)
            await corpora.remove_index(library.space, former.id)

    search = Search(library.search, Meanwhile(switch), Unasked())
    found = await search(library.space, ADMIN, BEHALF, SearchRequest("ships"))
    assert [hit.passage.chunk.text for hit in found.hits] == ["ships pass the light", "at night"]


@pytest.fixture
async def cross_encoder() -> AsyncIterator[tuple[CrossEncoder, HttpReranker]]:
    serving = CrossEncoder()
    application = web.Application()
    application.router.add_post("/rerank", serving.rerank)
    server = TestServer(application)
    await server.start_server()
    async with aiohttp.ClientSession() as http:
        yield serving, HttpReranker(http, str(server.make_url("/rerank")))
    await server.close()


async def test_a_cross_encoder_decides_the_order(
    stocked: Library, cross_encoder: tuple[CrossEncoder, HttpReranker]
) -> None:
    serving, reranker = cross_encoder
    search = Search(stocked.search, Embedder(1.0, 0.0), reranker)
    wanted = SearchRequest("oil for the lamp", rerank=True)
    found = await search(stocked.space, ADMIN, BEHALF, wanted)
    assert found.hits[0].passage.chunk.text == "oil for the lamp"
    assert found.hits[0].stages["rerank"].score == 1.0
    assert serving.asked[0]["query"] == "oil for the lamp"
    assert serving.asked[0]["truncate"] is True
    serving.status = 429
    left_out = await search(stocked.space, ADMIN, BEHALF, wanted)
    assert [(left.stage, left.code) for left in left_out.degraded] == [("rerank", "dependency_unavailable")]
    assert len(left_out.hits) == 3


async def test_a_cross_encoder_that_is_away_is_left_out(stocked: Library) -> None:
    async with aiohttp.ClientSession() as http:
        away = HttpReranker(http, "http://127.0.0.1:1/rerank")
        search = Search(stocked.search, Embedder(1.0, 0.0), away)
        found = await search(stocked.space, ADMIN, BEHALF, SearchRequest("oil for the lamp", rerank=True))
    assert [(left.stage, left.code) for left in found.degraded] == [("rerank", "dependency_unavailable")]
    assert len(found.hits) == 3
