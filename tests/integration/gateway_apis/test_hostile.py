"""Bodies that nobody sends by accident: each is refused as the caller's fault, on every route."""

from typing import Any

import pytest

from tests.platform import Api

ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens")


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("route", [*ROUTES, "/v1/embeddings"])
async def test_hostile_bodies_are_the_caller_s_fault(as_tenant: Api, route: str) -> None:
    whole: dict[str, Any] = {
        "model": "openai/sim-chat",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Hello?"}],
        "prompt": "Hello?",
        "input": "Hello?",
    }
    bodies: list[Any] = [
        [],
        {},
        {**whole, "model": ""},
        {**whole, "model": "\x00/\x00"},
        {**whole, "model": "other-tenants/model"},
        {**whole, "messages": [], "prompt": [], "input": []},
        {**whole, "messages": [nested(3)], "prompt": nested(3), "input": nested(3)},
        {**whole, "tools": [{"type": nested(2)}], "encoding_format": nested(2), "dimensions": -1},
        {**whole, "metadata": nested(240)},
        {**whole, "metadata": nested(900)},
        {**whole, "stream_options": 7, "tool_choice": nested(2), "input": [{"type": nested(1)}], "echo": "x"},
    ]
    for body in bodies:
        reply = await as_tenant.call("POST", route, body)
        assert 400 <= reply.status < 500, (body, reply.status, reply.body)
    broken = await as_tenant.call("POST", route, data=b'{"model": ')
    assert broken.status == 400


@pytest.mark.parametrize(
    "choice", [{"type": "allowed_tools", "tools": [7]}, {"type": "allowed_tools", "tools": 7}, {"type": []}, []]
)
async def test_a_hostile_choice_of_tools_is_refused(as_tenant: Api, choice: Any) -> None:
    body = {"model": "openai/sim-chat", "input": "Hello?", "tool_choice": choice}
    reply = await as_tenant.call("POST", "/v1/responses", body)
    assert reply.status < 500, reply.body
