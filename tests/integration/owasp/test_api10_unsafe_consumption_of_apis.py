"""API10:2023. What a provider answers is no more trusted than what a caller sends."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from tests.integration.owasp.routes import envelope
from tests.platform import Api, Platform, Tenant

ASK = {"model": "hostile/m", "messages": [{"role": "user", "content": "Hello?"}]}


def answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers={"content-type": "application/json", **(headers or {})})


def completion(**changed: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage, **changed}).encode()


HOSTILE = {
    "not json": lambda: answer(b"<html>"),
    "a list": lambda: answer(b"[]"),
    "null": lambda: answer(b"null"),
    "deep": lambda: answer(b"[" * 100_000 + b"]" * 100_000),
    "no choices": lambda: answer(completion(choices=None)),
    "not utf-8": lambda: answer(b'{"choices": [{"message": {"content": "\xff\xfe"}}]}'),
    "wrong length": lambda: answer(completion(), headers={"content-encoding": "gzip"}),
    "a redirect": lambda: answer(b"", 307, headers={"location": "http://169.254.169.254/latest/meta-data"}),
    "our key in an error": lambda: answer(
        b'{"error": {"message": "Incorrect API key: sk-hostile-0123456789abcdef0123456789abcdef"}}', 500
    ),
    "an error that is none": lambda: answer(b'{"error": 5}', 400),
    "an odd status": lambda: answer(b"{}", 418),
    "an endless header": lambda: answer(completion(), headers={"x-long": "y" * 60_000}),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_provider(platform: Platform, api: Api, tenant: Tenant, what: str) -> None:
    async def serve(request: web.Request) -> web.Response:
        assert request.headers["authorization"] == "Bearer sk-hostile-0123456789abcdef0123456789abcdef"
        return HOSTILE[what]()

    app = web.Application()
    app.router.add_post("/v1/chat/completions", serve)
    await call_through(platform, api, tenant, app)


@pytest.mark.parametrize("usage", [-5, 10**30, "many", None, 1.5, [1]], ids=str)
async def test_usage_that_cannot_be_is_counted_as_what_can(
    platform: Platform, api: Api, tenant: Tenant, usage: Any
) -> None:
    async def serve(_: web.Request) -> web.Response:
        return answer(completion(usage={"prompt_tokens": usage, "completion_tokens": usage, "total_tokens": usage}))

    app = web.Application()
    app.router.add_post("/v1/chat/completions", serve)
    await call_through(platform, api, tenant, app)


async def call_through(platform: Platform, api: Api, tenant: Tenant, app: web.Application) -> None:
    """Ask a provider of our own; it must end in an answer or an envelope, and usage must still add up."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", platform.spare_port).start()
        base = f"http://127.0.0.1:{platform.spare_port}/v1"
        provider = {
            "name": "hostile",
            "kind": "openai",
            "apiKey": "sk-hostile-0123456789abcdef0123456789abcdef",
            "baseUrl": base,
        }
        path = f"/v1/tenants/{tenant.id}/providers"
        stored = await api.as_(tenant.key).call("PUT", path, {"providers": [provider]})
        assert stored.status == 200, stored.body
        reply = await api.as_(tenant.key).call("POST", "/v1/chat/completions", ASK)
        assert reply.status in {200, 400, 502}, reply.body
        assert reply.status == 200 or envelope(reply.body)
        assert "sk-hostile-0123456789abcdef0123456789abcdef" not in str(reply.body)
        usage = await api.as_(tenant.key).call("GET", f"/v1/tenants/{tenant.id}/usage")
        assert usage.status == 200, usage.body
    finally:
        await runner.cleanup()
