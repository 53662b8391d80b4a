"""Names of models: aliases, full and bare names, and paths that name one."""

import anthropic
import openai
import pytest

from tests.integration.gateway_apis.conftest import AnthropicAt, Everywhere, OpenAiAt
from tests.platform import Reply, eventually


async def set_aliases(everywhere: Everywhere, aliases: dict[str, str]) -> Reply:
    path = f"/v1/tenants/{everywhere.tenant.id}"
    return await everywhere.api.call("PATCH", path, {"settings": {"modelAliases": aliases}})


async def test_aliases_work_on_every_route_and_are_listed(everywhere: Everywhere, openai_at: OpenAiAt) -> None:
    stored = await set_aliases(
        everywhere, {"fast": "small", "small": "openai/sim-chat", "claude": "anthropic/sim-chat", "vec": "openai/x"}
    )
    assert stored.status == 200, stored.body
    assert stored.body["settings"]["modelAliases"]["fast"] == "small"
    client = openai_at("")

    async def known() -> bool:
        return "fast" in [model.id for model in (await client.models.list()).data]

    assert await eventually(known)
    listed = {model.id: model.to_dict() for model in (await client.models.list()).data}
    assert listed["fast"]["root"] == "openai/sim-chat"
    assert "openai/gpt-4o-mini" in listed
    # The provider lists its models, and this is none of them.
    assert "vec" not in listed
    chatted = await client.chat.completions.with_raw_response.create(
        model="fast", messages=[{"role": "user", "content": "Hello?"}]
    )
    assert (chatted.headers["x-dcoder-provider"], chatted.headers["x-dcoder-model"]) == ("openai", "sim-chat")
    answered = await client.responses.create(model="claude", input="echo: yes")
    assert answered.output_text == "yes"
    assert (await client.models.retrieve("fast")).id == "fast"


@pytest.mark.parametrize(
    "aliases",
    [
        {"a": "a"},
        {"a": "b", "b": "a"},
        {"a": "b", "b": "c", "c": "b"},
        {"a": "no-provider"},
        {"with/slash": "openai/x"},
        {"a": ""},
        {"": "openai/x"},
    ],
)
async def test_aliases_that_lead_nowhere_are_refused(everywhere: Everywhere, aliases: dict[str, str]) -> None:
    refused = await set_aliases(everywhere, aliases)
    assert (refused.status, refused.code) == (422, "validation_failed"), refused.body


async def test_a_model_is_retrieved_by_its_names(openai_at: OpenAiAt) -> None:
    client = openai_at("")
    assert (await client.models.retrieve("gpt-4o-mini")).id == "openai/gpt-4o-mini"
    assert (await client.models.retrieve("openai/gpt-4o-mini")).owned_by == "openai"
    assert (await client.models.retrieve("groq/meta-llama/llama-4")).id == "groq/meta-llama/llama-4"
    with pytest.raises(openai.NotFoundError) as lost:
        await client.models.retrieve("openai/nothing")
    assert lost.value.code == "model_not_found"


async def test_a_path_names_the_model(everywhere: Everywhere, openai_at: OpenAiAt, anthropic_at: AnthropicAt) -> None:
    client = openai_at("/llm/openai/sim-chat")
    said: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "echo: here"}]
    for model in ("sim-chat", "openai/sim-chat", ""):
        answer = await client.chat.completions.create(model=model, messages=said)
        assert answer.choices[0].message.content == "here"
    assert [model.id for model in (await client.models.list()).data] == ["openai/sim-chat"]
    assert (await client.responses.create(input="echo: there")).output_text == "there"
    written = await client.completions.create(model="", prompt="echo: done", max_tokens=9)
    assert written.choices[0].text == "done"
    with pytest.raises(openai.BadRequestError, match="the path names openai/sim-chat"):
        await client.chat.completions.create(model="gpt-4o-mini", messages=said)
    vectors = await openai_at("/llm/openai/text-embedding-3-small").embeddings.create(model="", input="tides")
    assert len(vectors.data[0].embedding) == 384
    # A model's own name may have slashes in it.
    deep = await openai_at("/llm/groq/openai/gpt-oss-20b").chat.completions.create(model="", messages=said)
    assert deep.model == "openai/gpt-oss-20b"
    message = await anthropic_at("/llm/anthropic/sim-chat").messages.create(
        model="sim-chat", max_tokens=9, messages=[{"role": "user", "content": "echo: too"}]
    )
    assert message.content[0].type == "text"
    with pytest.raises(anthropic.BadRequestError) as other:
        await anthropic_at("/llm/anthropic/sim-chat").messages.create(
            model="claude-sonnet-5", max_tokens=9, messages=[{"role": "user", "content": "Hello?"}]
        )
    assert isinstance(other.value.body, dict)
    assert other.value.body["error"]["code"] == "invalid_request"
    missing = await everywhere.api.call("POST", "/llm/openai/v1/chat/completions", {"messages": said})
    assert (missing.status, missing.code) == (404, "not_found")
