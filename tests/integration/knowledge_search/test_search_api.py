"""POST /v1/search, POST /v1/answers and doc-chat through the edge, over documents that were ingested."""

import itertools
from typing import Any

import openai
import pytest

from tests.integration.conftest import NewTenant
from tests.integration.knowledge.conftest import MODEL, Library
from tests.platform import Api, eventually

pytestmark = pytest.mark.integration

TOWER = "The Eiffel Tower is 330 metres tall. It was finished in 1889 for the World's Fair in Paris."
DOGS = "Dogs are loyal animals. They were domesticated some 15,000 years ago."


@pytest.mark.timeout(300)
async def test_search_and_answers_over_what_was_ingested(asking: Library, api: Api, new_tenant: NewTenant) -> None:
    """One story, because ingestion takes its time: find, filter, explain, go on without embeddings, answer, stream."""
    corpus = await asking.corpus(settings={"embeddingModel": MODEL})
    tower = await asking.add(corpus, "tower.txt", TOWER, metadata={"team": "red", "year": 2020})
    closed = await asking.group("Closed")
    dogs = await asking.add(corpus, "dogs.txt", DOGS, metadata={"team": "blue", "year": 2024}, groups=[closed])
    for document in (tower, dogs):
        assert (await asking.settled(document))["status"] == "indexed"

    found = await asking("POST", "/v1/search", {"query": "how tall is the tower", "explain": True})
    assert found.status == 200
    best = found.body["hits"][0]
    assert (best["documentName"], best["text"]) == ("tower.txt", TOWER)
    assert {"words", "meaning", "fusion"} <= best["stages"].keys()
    assert all(TOWER[h["start"] : h["start"] + len(h["text"])] == h["text"] for h in best["highlights"])
    assert found.body["degraded"] == []

    async def names(**body: object) -> list[str]:
        answer = await asking("POST", "/v1/search", body)
        assert answer.status == 200, answer.body
        return [hit["documentName"] for hit in answer.body["hits"]]

    assert await names(query="animals", filters={"eq": {"team": "blue"}}) == ["dogs.txt"]
    assert await names(query="animals", filters={"range": {"year": {"lt": 2021}}}) == ["tower.txt"]
    assert await names(query="animals", filters={"not": {"in": {"team": ["red", "blue"]}}}) == []
    assert sorted(await names(query="animals", diversity=0.5, corpusIds=[corpus["id"]])) == ["dogs.txt", "tower.txt"]

    outsider = await new_tenant()
    missed = await api.as_(outsider.key).call("POST", "/v1/search", {"query": "dogs", "corpusIds": [corpus["id"]]})
    assert (missed.status, missed.code) == (404, "corpus_not_found")
    assert (await api.as_(outsider.key).call("POST", "/v1/search", {"query": "dogs"})).body["hits"] == []
    for path, body in (
        ("/v1/answers", {"question": "dogs", "model": "openai/gpt-4o-mini", "corpusIds": [corpus["id"]]}),
        ("/v1/answers", {"question": "dogs", "model": "openai/gpt-4o-mini"}),
    ):
        kept = await api.as_(outsider.key).call("POST", path, body)
        assert kept.status in {200, 404}, kept.body
        assert TOWER not in str(kept.body)
        assert not kept.body.get("citations")
    member = await asking("POST", f"/v1/tenants/{asking.tenant.id}/api-keys", {"name": "member", "role": "user"})
    assert member.status == 201, member.body
    reader = asking.as_(member.body["secret"])
    seen = await reader("POST", "/v1/search", {"query": "loyal dogs"})
    assert [hit["documentName"] for hit in seen.body["hits"]] == ["tower.txt"]

    answered = await asking("POST", "/v1/answers", {"question": "How tall is the Eiffel Tower?"})
    assert answered.status == 200, answered.body
    assert "330 metres" in answered.body["answer"]
    assert answered.body["grounded"]
    assert [claim["verdict"] for claim in answered.body["claims"]] == ["supported"]
    assert [c["documentName"] for c in answered.body["citations"] if c["cited"]] == ["tower.txt"]
    abstained = await asking("POST", "/v1/answers", {"question": "Which acid dissolves tungsten?"})
    assert (abstained.body["abstained"], abstained.body["grounded"]) == (True, False)

    client = openai.AsyncOpenAI(base_url=f"{api.base}/knowledge/v1", api_key=asking.tenant.key)
    assert [model.id async for model in client.models.list()] == ["doc-chat"]
    asked: Any = [{"role": "user", "content": "How tall is the Eiffel Tower?"}]
    whole: Any = await client.chat.completions.create(model="doc-chat", messages=asked)
    assert "330 metres" in whole.choices[0].message.content
    assert whole.choices[0].message.annotations[0].url_citation.title == "tower.txt"
    stream: Any = await client.chat.completions.create(model="doc-chat", messages=asked, stream=True)
    chunks = [chunk.model_dump() async for chunk in stream]
    sources = [chunk["event"]["data"]["source"]["name"] for chunk in chunks if "event" in chunk]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "tower.txt" in sources
    assert "330 metres" in "".join(delta["content"] or "" for delta in deltas)
    assert [a["url_citation"]["title"] for delta in deltas for a in delta.get("annotations") or ()] == ["tower.txt"]
    await client.close()

    await asking("PUT", f"/v1/tenants/{asking.tenant.id}/providers", {"providers": [
        {"name": "openai", "kind": "openai", "apiKey": "sk-x", "baseUrl": "http://127.0.0.1:1/v1"}]})  # fmt: skip
    numbers = itertools.count()

    async def without_meaning() -> Any:
        # Processes hear of another provider in a moment; a question's embedding is kept, so each asks another one.
        reply = await asking("POST", "/v1/search", {"query": f"tallest tower nobody asked for {next(numbers)}"})
        assert reply.status == 200, reply.body
        return reply if reply.body["degraded"] else None

    lexical = await eventually(without_meaning)
    assert [left["stage"] for left in lexical.body["degraded"]] == ["meaning"]
    assert lexical.body["hits"][0]["documentName"] == "tower.txt"
    refused = await asking("POST", "/v1/search", {"query": "tall tower", "hybrid": False})
    assert refused.status in {422, 503}


@pytest.mark.parametrize(
    "body",
    [
        {}, {"query": "  "}, {"query": "x" * 4_001}, {"query": "x", "topK": 0}, {"query": "x", "topK": 201},
        {"query": "x", "filters": {}}, {"query": "x", "filters": {"eq": {"a": 1}, "exists": "a"}},
        {"query": "x", "filters": {"eq": {"@secret": "a"}}}, {"query": "x", "filters": {"range": {"a": {}}}},
        {"query": "x", "filters": {"range": {"a": {"gte": 1, "lt": "b"}}}}, {"query": "x\x00"},
        {"query": "x", "corpusIds": []}, {"query": "x", "corpusIds": ["'; DROP TABLE chunks; --"]},
        {"query": "x", "fusion": "magic"}, {"query": "x", "unknown": 1},
    ],
)  # fmt: skip
async def test_wrong_searches_are_refused_by_name(as_tenant: Api, body: dict[str, object]) -> None:
    refused = await as_tenant.call("POST", "/v1/search", body)
    assert (refused.status, refused.code) == (422, "validation_failed")
