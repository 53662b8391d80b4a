"""Bodies that nobody sends by accident: each is refused as the caller's fault, on every route."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.platform import Api, Tenant, eventually

ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens")
WHOLE: dict[str, Any] = {
    "model": "openai/sim-chat",
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "echo: hi"}],
    "prompt": "echo: hi",
    "input": "echo: hi",
}


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("route", [*ROUTES, "/v1/embeddings"])
async def test_hostile_bodies_are_the_caller_s_fault(as_tenant: Api, route: str) -> None:
    bodies: list[Any] = [
        [],
        {},
        {**WHOLE, "model": ""},
        {**WHOLE, "model": "\x00/\x00"},
        {**WHOLE, "model": "other-tenants/model"},
        {**WHOLE, "messages": [], "prompt": [], "input": []},
        {**WHOLE, "messages": [nested(3)], "prompt": nested(3), "input": nested(3)},
        {**WHOLE, "tools": [{"type": nested(2)}], "encoding_format": nested(2), "dimensions": -1},
        {**WHOLE, "metadata": nested(240)},
        {**WHOLE, "metadata": nested(900)},
        {**WHOLE, "stream_options": 7, "tool_choice": nested(2), "input": [{"type": nested(1)}], "echo": "x"},
    ]
    for body in bodies:
        reply = await as_tenant.call("POST", route, body)
        assert 400 <= reply.status < 500, (body, reply.status, reply.body)
    broken = await as_tenant.call("POST", route, data=b'{"model": ')
    assert broken.status == 400


async def test_whatever_a_model_is_called_its_name_fits_in_a_header(as_tenant: Api) -> None:
    for name in ("модель", "a\r\nset-cookie: b=c"):
        asked = {"model": f"openai/{name}", "messages": WHOLE["messages"]}
        reply = await as_tenant.call("POST", "/v1/messages/count_tokens", asked)
        assert (reply.status, reply.headers["x-dcoder-model"]) == (200, quote(name, safe=": "))


async def test_where_a_limit_holds_odd_numbers_and_lists_are_the_caller_s_fault(as_tenant: Api, tenant: Tenant) -> None:
    limit = {"subject": {"kind": "tenant"}, "metric": "tokens", "window": "day", "limit": 1_000_000, "hard": True}
    stored = await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/quotas", {"quotas": [limit]})
    assert stored.status == 200, stored.body

    async def in_force() -> bool:
        reply = await as_tenant.chat("words: 3", headers={"cache_control": "no-store"}, max_tokens=2_000_000)
        return reply.status == 200 and reply.headers.get("x-dcoder-max-tokens") is not None

    await eventually(in_force)
    for route in ROUTES[:-1]:
        for limited in ({"max_tokens": True}, {"max_tokens": "10"}, {"max_output_tokens": True}, {"n": True}):
            reply = await as_tenant.call("POST", route, {**WHOLE, **limited})
            assert 400 <= reply.status < 500, (route, limited, reply.status, reply.body)
        for odd in ({"tools": 7}, {"tools": [7]}, {"messages": [{"role": "user", "content": []}], "input": REASONING}):
            reply = await as_tenant.call("POST", route, {**WHOLE, **odd})
            assert reply.status < 500, (route, odd, reply.status, reply.body)
    reply = await as_tenant.chat("echo: hi", model="openai/sim-chat", headers={"cache_control": "no-store"})
    assert reply.status == 200, reply.body


REASONING: list[dict[str, Any]] = [{"type": "reasoning", "id": "rs_1", "summary": []}]


@pytest.mark.parametrize("route", ROUTES[:-1])
@pytest.mark.parametrize("stream", ["false", "yes", 1])
async def test_only_a_boolean_makes_a_stream(as_tenant: Api, route: str, stream: Any) -> None:
    reply = await as_tenant.call("POST", route, {**WHOLE, "stream": stream})
    assert (reply.status, reply.code) == (422, "validation_failed"), reply.body


@pytest.mark.parametrize(
    "choice", [{"type": "allowed_tools", "tools": [7]}, {"type": "allowed_tools", "tools": 7}, {"type": []}, []]
)
async def test_a_hostile_choice_of_tools_is_refused(as_tenant: Api, choice: Any) -> None:
    body = {"model": "openai/sim-chat", "input": "Hello?", "tool_choice": choice}
    reply = await as_tenant.call("POST", "/v1/responses", body)
    assert reply.status < 500, reply.body
