"""POST /v1/embeddings by OpenAI's own client: formats, tokens, dimensions, and lists longer than a provider takes."""

import openai
import pytest

from tests.integration.gateway_apis.conftest import Everywhere, OpenAiAt


@pytest.mark.parametrize("kind", ["google", "vertex"])
async def test_lists_longer_than_a_provider_takes_are_one_answer(
    everywhere: Everywhere, openai_at: OpenAiAt, kind: str
) -> None:
    client = openai_at("")
    model = f"{kind}/gemini-embedding-001"
    texts = [f"tide number {number}" for number in range({"google": 130, "vertex": 5}[kind])]
    many = await client.embeddings.create(model=model, input=texts, encoding_format="float")
    assert [entry.index for entry in many.data] == list(range(len(texts)))
    last = await client.embeddings.create(model=model, input=texts[-1], encoding_format="float")
    assert many.data[-1].embedding == pytest.approx(last.data[0].embedding, abs=1e-5)
    bill = await everywhere.billed(kind)
    assert bill["embeddingCalls"] == {"google": 3, "vertex": 6}[kind]
    assert many.usage.prompt_tokens + last.usage.prompt_tokens == bill["embeddingTokens"]


async def test_formats_dimensions_and_tokens(openai_at: OpenAiAt) -> None:
    client, model = openai_at(""), "openai/text-embedding-3-small"
    # The client asks for base64 by itself and unpacks it.
    packed = await client.embeddings.create(model=model, input="tides")
    plain = await client.embeddings.create(model=model, input="tides", encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    short = await client.embeddings.create(model=model, input="tides", dimensions=64)
    assert len(short.data[0].embedding) == 64
    tokens = await client.embeddings.create(model=model, input=[[1, 2, 3], [4]])
    assert (len(tokens.data), tokens.usage.prompt_tokens) == (2, 4)
    assert len((await client.embeddings.create(model=model, input=[1, 2, 3])).data) == 1


@pytest.mark.parametrize(
    ("model", "given", "word"),
    [
        ("anthropic/sim-chat", "x", "embeddings"),
        ("groq/sim-chat", "x", "embeddings"),
        ("google/gemini-embedding-001", [1, 2], "tokens"),
    ],
)
async def test_what_a_provider_lacks_is_refused(
    openai_at: OpenAiAt, model: str, given: str | list[int], word: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=word):
        await openai_at("").embeddings.create(model=model, input=given)


async def test_what_was_answered_before_a_failure_is_metered(everywhere: Everywhere) -> None:
    await everywhere.fault("google", fault=None, times=1)
    await everywhere.fault("google", fault="500", times=10)
    texts = [f"tide number {number}" for number in range(110)]
    failed = await everywhere.api.call(
        "POST", "/v1/embeddings", {"model": "google/gemini-embedding-001", "input": texts}
    )
    assert (failed.status, failed.code) == (502, "provider_unavailable")
    counted = await everywhere.metered("google", 1)
    assert counted["promptTokens"] == (await everywhere.billed("google"))["embeddingTokens"] > 0


async def test_an_answer_that_was_cut_is_metered(everywhere: Everywhere) -> None:
    made = (await everywhere.billed("openai")).get("embeddingCalls", 0)
    await everywhere.fault("openai", fault="cut-mid-stream", times=1)
    cut = await everywhere.api.call(
        "POST", "/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "low tide"}
    )
    assert (cut.status, cut.code) == (502, "provider_bad_response")
    counted = await everywhere.metered("openai", made + 1)
    assert counted["promptTokens"] == (await everywhere.billed("openai"))["embeddingTokens"] > 0
