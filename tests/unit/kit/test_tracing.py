"""Spans reach a collector whole and once, through its bad moments, and hold nobody up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from functions.kit import tracing
from functions.kit.tracing import SpanExporter, SpanKind, closing, encoded_attributes, opening, quoted


def span(name: str = "chat m", error: str = "", parent_id: str = "0c" * 8, **attributes: Any) -> bytes:
    opened = opening(name, SpanKind.CLIENT, {"number": 2**40, **attributes}, error)
    return opened + closing("0a" * 16, "0b" * 8, parent_id, 1, 2)


class Came(list[Any]):
    """The bodies that came."""

    def __init__(self) -> None:
        super().__init__()
        self.once, self.twice = asyncio.Event(), asyncio.Event()


@asynccontextmanager
async def collector(*statuses: int) -> AsyncIterator[tuple[str, Came]]:
    """Answers with these statuses in turn, and with the last from then on."""
    came = Came()

    async def take(request: web.Request) -> web.Response:
        came.append(json.loads(await request.read()))
        came.once.set()
        if len(came) > 1:
            came.twice.set()
        return web.Response(status=statuses[min(len(came), len(statuses)) - 1], headers={"location": "/elsewhere"})

    application = web.Application()
    application.router.add_post("/v1/traces", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces", came
    await runner.cleanup()


async def ended(exporter: SpanExporter) -> None:
    exporter.end()
    await asyncio.to_thread(exporter.join, 30)


def names(came: Any) -> list[str]:
    return [one["name"] for one in came["resourceSpans"][0]["scopeSpans"][0]["spans"]]


async def test_what_waits_at_the_end_is_sent() -> None:
    async with collector(200) as (url, came):
        exporter = SpanExporter(url, {"authorization": "Basic x"}, {"service.name": "s"})
        for name in ("a", "b"):
            exporter.add(span(name))
        await ended(exporter)
    assert [names(one) for one in came] == [["a", "b"]]
    assert came[0]["resourceSpans"][0]["resource"] == {
        "attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]
    }


async def test_a_full_request_leaves_at_once_and_what_fills_none_waits_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "_EVERY_SECONDS", 60)
    async with collector(200) as (url, came):
        exporter = SpanExporter(url, {}, {})
        for number in range(515):
            exporter.add(span(str(number)))
        await asyncio.wait_for(came.once.wait(), 30)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(came.twice.wait(), 0.3)
        for number in range(515, 600):
            exporter.add(span(str(number)))
        await ended(exporter)
    assert [len(names(one)) for one in came] == [512, 88]
    assert [name for one in came for name in names(one)] == [str(number) for number in range(600)]


@pytest.mark.parametrize("status", [302, 400])
async def test_what_a_collector_refuses_is_dropped_and_what_follows_is_sent(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with collector(status, 200) as (url, came):
        exporter = SpanExporter(url, {}, {})
        for number in range(1024):
            exporter.add(span(str(number)))
        await ended(exporter)
    assert sorted(name for one in came for name in names(one)) == sorted(str(number) for number in range(1024))
    assert [record.message for record in caplog.records] == ["spans were dropped"]


async def test_a_collector_that_is_busy_is_asked_again() -> None:
    async with collector(503, 200) as (url, came):
        exporter = SpanExporter(url, {}, {})
        for _ in range(512):
            exporter.add(span())
        await asyncio.wait_for(came.twice.wait(), 30)
        await ended(exporter)
    assert came[0] == came[1]


async def test_beyond_what_may_wait_spans_are_dropped_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async with collector(400) as (url, _):
        exporter = SpanExporter(url, {}, {})
        for _ in range(50_000):
            exporter.add(span())
        await ended(exporter)
    assert sum(getattr(record, "spans", 0) for record in caplog.records) == 50_000


def test_every_sort_of_value_is_said_as_the_protocol_says_it() -> None:
    # A lone surrogate: JSON may bring one in a model's name.
    whole = span("chat \ud800", "error", text="é", share=0.5, truth=True, several=["a"], other={}, nothing=None)
    assert json.loads(whole) == {
        "traceId": "0a" * 16,
        "spanId": "0b" * 8,
        "parentSpanId": "0c" * 8,
        "name": "chat ?",
        "kind": 3,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "status": {"code": 2, "message": "error"},
        "attributes": [
            {"key": "number", "value": {"intValue": str(2**40)}},
            {"key": "text", "value": {"stringValue": "é"}},
            {"key": "share", "value": {"doubleValue": 0.5}},
            {"key": "truth", "value": {"boolValue": True}},
            {"key": "several", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
            {"key": "other", "value": {"stringValue": "{}"}},
        ],
    }


def test_the_first_span_of_a_trace_has_no_parent() -> None:
    whole = json.loads(span(parent_id=""))
    assert "parentSpanId" not in whole
    assert whole["status"] == {}


def test_whatever_a_text_holds_it_is_one_text_of_json() -> None:
    for text in ("", '"}]},{"', "\\", "\n\x00\x7f", "%d%s%%", "é\u2028\U0001f600"):
        assert json.loads(quoted(text)) == text
        (attribute,) = json.loads(b"[%b]" % encoded_attributes({text: text}))
        assert attribute == {"key": text, "value": {"stringValue": text}}
    assert json.loads(quoted("a\udfffb")) == "a?b"
