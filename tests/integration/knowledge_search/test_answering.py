"""Answers in a conversation, by the models that the gateway reaches; and to nobody else."""

import asyncio
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.integration.conftest import NewTenant
from tests.integration.knowledge.conftest import MODEL, Library
from tests.integration.slice.test_chat import bill, totals
from tests.platform import Api, Platform, eventually

pytestmark = pytest.mark.integration

TOWER = "The Eiffel Tower is 330 metres tall. It was finished in 1889 for the World's Fair in Paris."
DOGS = "Dogs are loyal animals. They were domesticated some 15,000 years ago."
CHAT = "/knowledge/v1/chat/completions"
Json = dict[str, Any]


@pytest_asyncio.fixture
async def stocked(asking: Library) -> Library:
    """A tenant with a document for everybody and one for a group."""
    corpus = await asking.corpus(settings={"embeddingModel": MODEL})
    closed = await asking.group("Closed")
    tower = await asking.add(corpus, "tower.txt", TOWER)
    dogs = await asking.add(corpus, "dogs.txt", DOGS, groups=[closed])
    for document in (tower, dogs):
        assert (await asking.settled(document))["status"] == "indexed"
    return asking


def chat(*turns: str, **fields: Any) -> Json:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": turn} for at, turn in enumerate(turns)]
    return {"model": "doc-chat", "messages": messages, **fields}


async def test_a_chat_model_grades_what_was_found(stocked: Library) -> None:
    found = await stocked("POST", "/v1/search", {"query": "Are dogs loyal?", "rerank": True, "explain": True})
    assert found.status == 200, found.body
    assert found.body["degraded"] == []
    grades = {hit["documentName"]: hit["stages"]["rerank"] for hit in found.body["hits"]}
    assert grades["dogs.txt"] == {"rank": 1, "score": 1.0}
    assert grades["tower.txt"] == {"rank": 2, "score": 0.0}
    assert [hit["documentName"] for hit in found.body["hits"]] == ["dogs.txt", "tower.txt"]


async def test_a_question_that_points_back_is_asked_by_itself(stocked: Library) -> None:
    before = [
        {"role": "user", "content": "Where does the Eiffel Tower stand?"},
        {"role": "assistant", "content": "It stands in Paris."},
    ]
    asked = {"question": "How high is it?", "conversation": before}
    answer = (await stocked("POST", "/v1/answers", asked)).body
    assert ("eiffel tower" in answer["question"], answer["degraded"]) == (True, [])
    assert ("330 metres" in answer["answer"], answer["grounded"]) == (True, True)
    turns = ("Where does the Eiffel Tower stand?", "It stands in Paris.", "How high is it?")
    told = (await stocked("POST", CHAT, chat(*turns))).body
    assert "eiffel tower" in told["grounding"]["question"]
    assert "330 metres" in told["choices"][0]["message"]["content"]
    # By itself the same question is left as it is.
    assert (await stocked("POST", "/v1/answers", {"question": "How high is it?"})).body["question"] == "How high is it?"


async def test_whoever_leaves_an_answer_is_billed_what_the_provider_bills(
    stocked: Library, api: Api, platform: Platform
) -> None:
    fault = {"key": stocked.tenant.provider_key, "chunkDelayMs": 20, "latencyMs": 50, "times": 10}
    async with api.session.post(f"{platform.simulator}/_sim/faults", json=fault) as response:
        assert response.status == 201
    headers = {"authorization": f"Bearer {stocked.api.credential}", "cache-control": "no-store"}
    question = "How tall is the Eiffel Tower?"
    async with aiohttp.ClientSession() as leaving:
        async with leaving.post(platform.edge + CHAT, json=chat(question, stream=True), headers=headers) as response:
            assert response.status == 200
            while b'"content":"The' not in await response.content.readline():
                pass
            response.close()
        asked = leaving.post(f"{platform.edge}/v1/answers", json={"question": question + " Please."}, headers=headers)
        with pytest.raises(TimeoutError):
            await _left_at_once(asked)

    async def counted() -> bool:
        billed = await bill(api, platform, stocked.tenant)
        sums = await totals(stocked.api, stocked.tenant, 1)
        return bool(billed.get("chatCalls", 0) >= 1 and billed["completionTokens"] == sums["completionTokens"] > 0)

    assert await eventually(counted)
    again = await stocked("POST", CHAT, chat(question))
    assert "330 metres" in again.body["choices"][0]["message"]["content"]


async def _left_at_once(asked: Any) -> None:
    """Send a request and leave before it is answered."""
    async with asyncio.timeout(0.02), asked as response:
        await response.read()


@pytest.mark.parametrize("stream", [False, True])
async def test_doc_chat_shows_nobody_elses_passages(
    stocked: Library, api: Api, new_tenant: NewTenant, stream: bool
) -> None:
    corpus = (await stocked.get("/v1/corpora"))["items"][0]["id"]
    question = chat("Are dogs loyal?", stream=stream)
    outsider = api.as_((await new_tenant()).key)
    named = {**question, "model": "doc-chat/openai/gpt-4o-mini", "knowledge": {"corpusIds": [corpus]}}
    assert (await outsider.call("POST", CHAT, named)).code == "corpus_not_found"
    elsewhere = {**question, "model": "doc-chat/openai/gpt-4o-mini"}
    member = stocked.as_(await stocked.key(role="user"))
    for told in (await outsider.call("POST", CHAT, elsewhere), await member("POST", CHAT, question)):
        assert told.status == 200, told.body
        assert "domesticated" not in str(told.body)
        assert "dogs.txt" not in str(told.body)
    group = (await stocked.get(f"/v1/tenants/{stocked.tenant.id}/groups"))["items"][0]["id"]
    keeper = stocked.as_(await stocked.key(role="user", groupId=group))
    assert "domesticated" in str((await keeper("POST", CHAT, question)).body)
