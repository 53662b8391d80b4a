"""Errors on the OpenAI-compatible routes, as OpenAI's own client tells them."""

from typing import Any

import openai
import pytest

from tests.integration.gateway_apis.conftest import Everywhere, OpenAiAt

SAID: Any = [{"role": "user", "content": "words: 30"}]


async def test_what_the_gateway_refuses_names_type_param_and_code(openai_at: OpenAiAt) -> None:
    client = openai_at("")
    with pytest.raises(openai.BadRequestError) as lacking:
        await client.chat.completions.create(model="anthropic/sim-chat", messages=SAID, seed=7)
    said: openai.APIError = lacking.value
    assert (said.type, said.param, said.code) == ("invalid_request_error", "seed", "provider_rejected")
    with pytest.raises(openai.UnprocessableEntityError) as invalid:
        await client.chat.completions.create(model="openai/sim-chat", messages=[])
    said = invalid.value
    assert (said.type, said.param, said.code) == ("invalid_request_error", "messages", "validation_failed")
    with pytest.raises(openai.NotFoundError) as lost:
        await client.models.retrieve("openai/nothing")
    assert (lost.value.type, lost.value.code) == ("invalid_request_error", "model_not_found")
    with pytest.raises(openai.AuthenticationError) as unknown:
        await client.with_options(api_key="dck_" + "0" * 40).embeddings.create(model="openai/x", input="?")
    assert (unknown.value.type, unknown.value.code) == ("authentication_error", "unauthenticated")


@pytest.mark.parametrize("route", ["chat", "responses", "completions"])
async def test_a_provider_s_own_code_and_param_are_told(
    everywhere: Everywhere, openai_at: OpenAiAt, route: str
) -> None:
    await everywhere.fault("openai", fault="context-length", times=1)
    client = openai_at("")
    calls: dict[str, Any] = {
        "chat": lambda: client.chat.completions.create(model="openai/sim-chat", messages=SAID),
        "responses": lambda: client.responses.create(model="openai/sim-chat", input="Hello?"),
        "completions": lambda: client.completions.create(model="openai/sim-completion", prompt="Hello?"),
    }
    with pytest.raises(openai.BadRequestError, match="maximum context length") as caught:
        await calls[route]()
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["details"]["providerCode"] == "context_length_exceeded"
    assert caught.value.param is not None


@pytest.mark.parametrize("kind", ["openai", "google"])
async def test_a_stream_that_breaks_tells_its_type(everywhere: Everywhere, openai_at: OpenAiAt, kind: str) -> None:
    await everywhere.fault(kind, fault="error-mid-stream", times=1)
    stream = await openai_at("").chat.completions.create(model=f"{kind}/sim-chat", messages=SAID, stream=True)
    with pytest.raises(openai.APIError) as caught:
        [chunk async for chunk in stream]
    assert (caught.value.type, caught.value.code) == ("server_error", "provider_unavailable")


async def test_the_rest_of_stream_options_reaches_the_provider(everywhere: Everywhere, openai_at: OpenAiAt) -> None:
    stream = await openai_at("").chat.completions.create(
        model="openai/sim-chat", messages=SAID, stream=True, stream_options={"include_obfuscation": False}
    )
    assert [chunk.usage async for chunk in stream if chunk.usage] == []
    sent = (await everywhere.asked("openai"))[-1]["body"]["stream_options"]
    assert sent == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_prompt_is_kept_and_nothing_is_written(everywhere: Everywhere, kind: str) -> None:
    """Anthropic's `max_tokens: 0`; the simulator, as others, takes at least one."""
    body = {"model": f"{kind}/sim-chat", "max_tokens": 0, "messages": SAID}
    reply = await everywhere.api.call("POST", "/v1/messages", body)
    assert (reply.status, reply.code) == (400, "provider_rejected"), reply.body
    if kind == "anthropic":
        assert (await everywhere.asked(kind))[-1]["body"]["max_tokens"] == 0


async def test_a_compressed_body_is_said_to_be_one(everywhere: Everywhere) -> None:
    url = f"{everywhere.platform.edge}/v1/chat/completions"
    headers = {"authorization": f"Bearer {everywhere.tenant.key}", "content-encoding": "gzip"}
    async with everywhere.api.session.post(url, data=b"\x1f\x8b", headers=headers) as response:
        told = await response.json()
    assert response.status == 400
    assert "Content-Encoding" in told["error"]["message"]
