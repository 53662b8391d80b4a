"""The model code-chat, as OpenAI's own client talks to it."""

import openai
import pytest

from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Tenant

_MODEL = "code-chat/openai/gpt-4o-mini"


@pytest.fixture
async def chat(platform: Platform, tenant: Tenant) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=tenant.key, base_url=f"{platform.edge}/agents/v1", max_retries=0)


async def test_whole_and_streamed(chat: openai.AsyncOpenAI) -> None:
    async with chat:
        assert [model.id async for model in chat.models.list()] == ["code-chat"]
        whole = await chat.chat.completions.create(
            model=_MODEL, messages=[{"role": "user", "content": "echo: print(1)"}]
        )
        assert whole.choices[0].message.content == "print(1)"
        assert whole.usage is not None
        assert whole.usage.total_tokens > 0
        chunks = await chat.chat.completions.create(
            model=_MODEL, messages=[{"role": "user", "content": "echo: print(2)"}], stream=True
        )
        text = [chunk.choices[0].delta.content or "" async for chunk in chunks]
        assert "".join(text) == "print(2)"


async def test_tools_are_called_on_the_way(chat: openai.AsyncOpenAI) -> None:
    asked = 'Use builtin_calculator with expression="6*7" please'
    async with chat:
        whole = await chat.chat.completions.create(model=_MODEL, messages=[{"role": "user", "content": asked}])
    assert "42" in str(whole.choices[0].message.content)


async def test_what_goes_wrong(chat: openai.AsyncOpenAI, as_tenant: Api) -> None:
    said = [{"role": "user", "content": "hi"}]
    for body, status, code in (
        ({"model": "gpt-4o", "messages": said}, 422, "validation_failed"),
        ({"model": "code-chat", "messages": said}, 422, "no_default_model"),
        ({"model": _MODEL, "messages": [{"role": "user", "content": ""}]}, 422, "validation_failed"),
        ({"model": "code-chat/nobody/x", "messages": said}, 502, "agent_failed"),
    ):
        reply = await as_tenant.call("POST", "/agents/v1/chat/completions", body)
        assert (reply.status, reply.code) == (status, code), reply.body
    keyed = await as_tenant.call(
        "POST", "/agents/v1/chat/completions", {"model": _MODEL, "messages": said}, idempotency_key="again"
    )
    assert (keyed.status, keyed.code) == (400, "invalid_request")
    async with chat:
        with pytest.raises(openai.APIError):
            async for _ in await chat.chat.completions.create(
                model="code-chat/nobody/x", messages=[{"role": "user", "content": "hi"}], stream=True
            ):
                pass


async def test_conversations_are_the_tenants_own(as_tenant: Api, api: Api, new_tenant: NewTenant) -> None:
    body = {"model": _MODEL, "messages": [{"role": "user", "content": "echo: mine"}]}
    mine = await as_tenant.call("POST", "/agents/v1/chat/completions", body)
    stranger = api.as_((await new_tenant()).key)
    reply = await stranger.call("GET", f"/v1/agents/executions/{mine.body['executionId']}")
    assert (reply.status, reply.code) == (404, "execution_not_found")
