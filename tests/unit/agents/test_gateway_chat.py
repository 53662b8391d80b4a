"""Answers of models that are of another form than OpenAI's: refused at once, since a step is paid for at each try."""

from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from functions.agents.adapters.gateway_chat import GatewayChat
from functions.agents.core.errors import ModelRefused
from functions.agents.core.ports import Completion
from functions.kit.secrets import create_key_file
from functions.kit.service_tokens import OnBehalf, ServiceTokens

CALL = {"index": 0, "id": "1", "type": "function", "function": {"name": "count", "arguments": "{}"}}


async def unheard(text: str) -> None:
    """Nobody watches."""


async def answered(folder: Path, message: Any, *, stream: bool) -> Completion:
    """What becomes of a model's message, or of the delta of its one chunk."""

    async def serve(request: web.Request) -> web.Response:
        if not stream:
            return web.json_response({"choices": [{"message": message}]})
        chunk = orjson.dumps({"choices": [{"delta": message}]})
        return web.Response(body=b"data: " + chunk + b"\n\ndata: [DONE]\n\n", content_type="text/event-stream")

    create_key_file(folder / "service.json", "service")
    tokens = ServiceTokens(folder / "service.json", None, platform_id="p", tenant_claim="t")  # type: ignore[arg-type]
    app = web.Application()
    app.router.add_post("/v1/chat/completions", serve)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        chat = GatewayChat(http, str(server.make_url("")), tokens)
        if stream:
            return await chat.stream(OnBehalf("t"), {}, unheard)
        return await chat.complete(OnBehalf("t"), {}, "key")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_message(tmp_path: Path, stream: bool) -> None:
    done = await answered(tmp_path, {"role": "assistant", "content": "One.", "tool_calls": [CALL]}, stream=stream)
    (call,) = done.message["tool_calls"]
    assert (done.message["content"], call["function"]) == ("One.", {"name": "count", "arguments": "{}"})


@pytest.mark.parametrize("message", [5, {"tool_calls": {"0": CALL}}, {"tool_calls": True}, {"tool_calls": ["count"]}])
async def test_a_message_of_another_form(tmp_path: Path, message: Any) -> None:
    with pytest.raises(ModelRefused):
        await answered(tmp_path, message, stream=False)


@pytest.mark.parametrize(
    "delta",
    [
        5,
        {"content": ["One."]},
        {"tool_calls": {"0": CALL}},
        {"tool_calls": [{**CALL, "index": "first"}]},
        {"tool_calls": [{**CALL, "function": {"name": "count", "arguments": {"n": 1}}}]},
    ],
)
async def test_a_chunk_of_another_form(tmp_path: Path, delta: Any) -> None:
    with pytest.raises(ModelRefused):
        await answered(tmp_path, delta, stream=True)
