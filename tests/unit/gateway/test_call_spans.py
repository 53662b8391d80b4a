"""A call's span says what the conventions have for it, attribute for attribute, whatever others name things."""

import time
from typing import Any

import pytest

from functions.gateway.adapters.call_telemetry import CallTelemetry
from functions.gateway.core.booking import Booking
from functions.gateway.core.models import Caller, Json, Provider, Target, Usage
from functions.gateway.core.usage import Said
from functions.kit import telemetry
from functions.kit.context import RequestContext, serving
from functions.kit.settings import TenantSettings
from tests.unit.spans import PARENT, TRACE, Spans

HOSTILE = ('"}]},{"', "\\\n\x00", "%d%s%%", "é\U0001f600", "x" * 5_000, "")
BODY: Json = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
ANSWER: Json = {"id": "c-1", "model": "gpt-4o-mini-2024", "choices": [{"finish_reason": "stop"}]}
CALLS = CallTelemetry(lambda _kind, _model: "")
# What every span of a call of `booked` has.
ALWAYS: Json = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "gcp.gemini",
    "gen_ai.request.model": "gpt-4o-mini",
    "server.address": "api.example.com",
    "server.port": "8443",
    "user.id": "key-1",
    "dcoder.platform.id": "acme",
    "dcoder.tenant.id": "tenant-1",
    "dcoder.provider": "main",
    "dcoder.api_key.id": "key-1",
    "dcoder.request.id": "req-1",
    "langfuse.observation.type": "generation",
    "langfuse.observation.model.name": "gpt-4o-mini",
    "langfuse.trace.metadata.request": "req-1",
    "langfuse.trace.metadata.tenant": "tenant-1",
    "langfuse.trace.tags": ["tenant:tenant-1"],
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Spans:
    spans = Spans()
    monkeypatch.setattr(telemetry, "_exporters", [spans])
    return spans


def booked(model: str = "gpt-4o-mini", request_id: str = "req-1", session_id: str = "", **settings: Any) -> Booking:
    target = Target(Provider("main", "google", "https://api.example.com:8443/v1", "sk-secret"), model)
    caller = Caller("tenant-1", "key-1", None, request_id, TenantSettings.of(settings), session_id=session_id)
    return Booking(caller, target, asked=time.perf_counter() - 2, cost_micro_usd=1_000_007)


def ended(booking: Booking, said: Said | None, usage: Usage = Usage(), **counted: Any) -> None:  # noqa: B008
    with serving(RequestContext("req-1", f"00-{TRACE}-{PARENT}-01", "acme")):
        CALLS.ended(booking, booking.record(usage, **counted), said)


def attributes(span: Any) -> Json:
    return {one["key"]: plain(one["value"]) for one in span["attributes"]}


def plain(value: Any) -> Any:
    ((kind, held),) = value.items()
    return [plain(one) for one in held["values"]] if kind == "arrayValue" else held


def figures(prompt: int, completion: int, cost: int, saved: int = 0) -> Json:
    total = prompt + completion
    return {
        "gen_ai.usage.input_tokens": str(prompt),
        "gen_ai.usage.output_tokens": str(completion),
        "gen_ai.usage.cache_read.input_tokens": "0",
        "gen_ai.usage.cache_creation.input_tokens": "0",
        "dcoder.cache.saved_tokens": str(saved),
        "dcoder.compression.saved_tokens": "0",
        "langfuse.observation.metadata.saved_tokens": str(saved),
        "langfuse.observation.metadata.compression_saved_tokens": "0",
        "dcoder.cost.micro_usd": str(cost),
        "langfuse.observation.usage_details": f'{{"input":{prompt},"output":{completion},"total":{total}}}',
        "langfuse.observation.cost_details": f'{{"total":{cost / 1e6:.6f}}}',
    }


def test_a_call_of_a_provider(told: Spans) -> None:
    booking = booked(session_id="talk-7")
    ended(booking, Said(BODY, ANSWER, 0.0012345, 0.4), Usage(12, 3))
    (whole,) = told
    assert 1.9e9 < int(whole["endTimeUnixNano"]) - int(whole["startTimeUnixNano"]) < 60e9
    assert (whole["traceId"], whole["parentSpanId"], len(whole["spanId"])) == (TRACE, PARENT, 16)
    assert (whole["name"], whole["kind"], whole["status"]) == ("chat gpt-4o-mini", 3, {})
    assert len(whole["attributes"]) == len(attributes(whole))
    assert attributes(whole) == {
        **ALWAYS,
        **figures(12, 3, 1_000_007),
        "dcoder.usage.id": booking.usage_id,
        "session.id": "talk-7",
        "gen_ai.conversation.id": "talk-7",
        "gen_ai.response.model": "gpt-4o-mini-2024",
        "gen_ai.response.id": "c-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "dcoder.overhead_ms": 1.234,
        "dcoder.status": "ok",
        "dcoder.cache.state": "miss",
        "dcoder.usage.estimated": False,
        "langfuse.observation.metadata.cache": "miss",
    }


def test_a_stream_that_broke_off(told: Spans) -> None:
    body = {**BODY, "temperature": 1, "top_p": 1.0, "max_tokens": 7, "seed": True, "presence_penalty": "high"}
    ended(booked(), Said(body, None, 0.001, 0.4, 0.25), Usage(12, 3, estimated=True), status="error")
    (whole,) = told
    assert (whole["kind"], whole["status"]) == (3, {"code": 2, "message": "error"})
    found = attributes(whole)
    expected = {
        "error.type": "error",
        "dcoder.status": "error",
        "dcoder.usage.estimated": True,
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.request.temperature": "1",
        "gen_ai.request.top_p": 1.0,
        "gen_ai.request.max_tokens": "7",
        "gen_ai.request.seed": True,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found.keys().isdisjoint({"gen_ai.request.presence_penalty", "gen_ai.response.id", "session.id"})


def test_an_answer_of_the_cache(told: Spans) -> None:
    ended(booked(), None, cached="semantic", saved_tokens=15)
    (whole,) = told
    assert (whole["kind"], whole["status"]) == (1, {})
    counted = {**figures(0, 0, 1_000_007, 15), "dcoder.cache.state": "semantic"}
    assert attributes(whole).items() >= {**counted, "langfuse.observation.metadata.cache": "semantic"}.items()


def test_a_call_with_nothing_to_count(told: Spans) -> None:
    booking = booked()
    CALLS.failed(booking, "provider_unavailable")
    (whole,) = told
    assert (whole["kind"], whole["status"]) == (3, {"code": 2, "message": "provider_unavailable"})
    assert "parentSpanId" not in whole
    own = {"dcoder.usage.id": booking.usage_id, "error.type": "provider_unavailable", "dcoder.platform.id": "dcoder"}
    assert attributes(whole) == {**ALWAYS, **own}


@pytest.mark.parametrize("said", HOSTILE)
def test_names_may_hold_anything(told: Spans, said: str) -> None:
    answer = {"id": said, "model": said, "choices": [{"finish_reason": said or None}]}
    ended(booked(said, said, said), Said({**BODY, "model": said}, answer))
    CALLS.failed(booked(said, said, said), "broken")
    counted, failed = told
    assert (counted["name"], failed["name"]) == (f"chat {said}",) * 2
    expected = {"gen_ai.request.model": said, "dcoder.request.id": said}
    assert (
        attributes(counted).items() >= {**expected, "gen_ai.response.id": said, "gen_ai.response.model": said}.items()
    )
    assert attributes(failed).items() >= expected.items()
    assert attributes(counted).get("gen_ai.response.finish_reasons") == ([said] if said else None)
    assert attributes(counted).get("session.id") == (said or None)


def test_half_a_surrogate_pair_is_told_as_a_question_mark(told: Spans) -> None:
    answer = {"id": "\ud800", "model": "\ud800", "choices": [{"finish_reason": "\ud800"}]}
    ended(booked("\ud800"), Said(BODY, answer))
    found = attributes(told[0])
    assert (found["gen_ai.request.model"], found["gen_ai.response.id"], found["gen_ai.response.model"]) == ("?",) * 3


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"id": 7, "model": {"a": 1}, "choices": [{"finish_reason": {"b": 1}}]}, ("7", "{'a': 1}", ["{'b': 1}"])),
        ({"id": None, "model": ["m"], "choices": []}, (None, ["m"], None)),
        ({"id": "", "model": True, "choices": [{"finish_reason": "a"}, {"finish_reason": 7}]}, ("", True, ["a", "7"])),
        ({"model": "m", "choices": None}, (None, "m", None)),
        ({"id": "c", "model": "m", "choices": [{"finish_reason": None}]}, ("c", "m", None)),
    ],
)  # fmt: skip
def test_an_answer_may_be_of_any_form(told: Spans, answer: Json, expected: tuple[Any, ...]) -> None:
    ended(booked(), Said(BODY, answer))
    found = attributes(told[0])
    names = ("gen_ai.response.id", "gen_ai.response.model", "gen_ai.response.finish_reasons")
    assert tuple(found.get(name) for name in names) == expected


def test_a_call_that_cannot_be_told_of_was_counted_all_the_same(told: Spans, caplog: pytest.LogCaptureFixture) -> None:
    ended(booked(), Said(BODY, {"choices": ["the answer"]}))
    ended(booked(), Said(BODY, ANSWER))
    assert len(told) == 1
    assert [record.message for record in caplog.records] == ["a call was not traced"]
    assert "the answer" not in caplog.text
