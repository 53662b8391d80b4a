"""A request's span says what was asked and answered, and is in its caller's trace."""

from typing import Any

import pytest

from functions.kit import telemetry
from functions.kit.telemetry import server_span
from tests.unit.spans import PARENT, TRACE, Spans

FROM_CALLER = f"00-{TRACE}-{PARENT}-00"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Spans:
    spans = Spans()
    monkeypatch.setattr(telemetry, "_exporters", [spans])
    monkeypatch.setattr(telemetry, "_collectors", [spans])
    return spans


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def test_it_says_what_was_asked_and_answered(told: Spans) -> None:
    with server_span("GET", "edge", "/v1/tenants/t-1", FROM_CALLER) as span:
        span.answered = ("/v1/tenants/{tenant_id}", 200, "t-1")
    (whole,) = told
    began, ended = int(whole.pop("startTimeUnixNano")), int(whole.pop("endTimeUnixNano"))
    assert 0 < began <= ended
    assert span.traceparent == f"00-{TRACE}-{whole.pop('spanId')}-01"
    assert whole == {
        "traceId": TRACE,
        "parentSpanId": PARENT,
        "name": "GET edge",
        "kind": 2,
        "status": {},
        "attributes": [
            text("http.request.method", "GET"),
            text("server.address", "dcoder"),
            text("http.route", "/v1/tenants/{tenant_id}"),
            {"key": "http.response.status_code", "value": {"intValue": "200"}},
            text("dcoder.tenant.id", "t-1"),
            text("url.path", "/v1/tenants/t-1"),
        ],
    }


def test_what_broke_it_is_named_and_passed_on(told: Spans) -> None:
    with pytest.raises(RuntimeError), server_span("GET", "edge", "/", None):
        raise RuntimeError("the prompt")
    (whole,) = told
    assert whole["status"] == {"code": 2, "message": "RuntimeError"}
    assert "parentSpanId" not in whole
    assert {one["key"] for one in whole["attributes"]} == {"http.request.method", "server.address", "url.path"}


def test_a_path_may_hold_anything(told: Spans) -> None:
    for path in ('/"}]},{"', "/é\\\n\x00", "/" + "x" * 70_000, "/\ud800"):
        with server_span("GET", "edge", path, None):
            pass
        assert told[-1]["attributes"][-1] == text("url.path", path.replace("\ud800", "?"))


@pytest.mark.parametrize(
    "sent", [None, "", "00-x", f"00-{'0' * 32}-{PARENT}-01", FROM_CALLER + "\n", FROM_CALLER + "0"]
)
def test_what_is_no_traceparent_begins_a_trace(told: Spans, sent: str | None) -> None:
    with server_span("GET", "edge", "/", sent) as span:
        pass
    _, trace_id, span_id, flags = span.traceparent.split("-")
    assert (told[0]["traceId"], told[0]["spanId"], flags) == (trace_id, span_id, "01")
    assert (len(bytes.fromhex(trace_id)), len(bytes.fromhex(span_id)), trace_id == TRACE) == (16, 8, False)


def test_with_tracing_off_the_callers_trace_goes_on_as_the_caller_has_it() -> None:
    for sent, flags in ((FROM_CALLER, "00"), (f"00-{TRACE}-{PARENT}-03", "03"), (None, "00")):
        with server_span("GET", "edge", "/", sent) as span:
            pass
        assert span.traceparent.endswith(f"-{flags}")
        assert (TRACE in span.traceparent, PARENT in span.traceparent) == (sent is not None, False)
