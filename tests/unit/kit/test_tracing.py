"""Spans reach a collector whole and once, through its bad moments, and hold nobody up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from functions.kit.tracing import Span, SpanExporter, SpanKind, encoded, tell


def span(name: str = "chat m", **attributes: Any) -> Span:
    return Span(name, SpanKind.CLIENT, "0a" * 16, "0b" * 8, "0c" * 8, 1, 2, attributes)


class Came(list[Any]):
    """The bodies that came."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = asyncio.Event()


@asynccontextmanager
async def collector(*statuses: int) -> AsyncIterator[tuple[str, Came]]:
    """Answers with these statuses in turn, and with the last from then on."""
    came = Came()

    async def take(request: web.Request) -> web.Response:
        came.append(json.loads(await request.read()))
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
        exporter = SpanExporter(url, {"authorization": "Basic x"}, {"service.name": "s"}, lambda one: one.name != "not")
        for name in ("a", "not", "b"):
            tell(span(name), [exporter])
        await ended(exporter)
    assert [names(one) for one in came] == [["a", "b"]]
    assert came[0]["resourceSpans"][0]["resource"] == {
        "attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]
    }


@pytest.mark.parametrize("status", [302, 400])
async def test_what_a_collector_refuses_is_dropped_and_what_follows_is_sent(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with collector(status, 200) as (url, came):
        exporter = SpanExporter(url, {}, {})
        for number in range(1024):
            tell(span(str(number)), [exporter])
        await ended(exporter)
    assert sorted(name for one in came for name in names(one)) == sorted(str(number) for number in range(1024))
    assert [record.message for record in caplog.records] == ["spans were dropped"]


async def test_a_collector_that_is_busy_is_asked_again() -> None:
    async with collector(503, 200) as (url, came):
        exporter = SpanExporter(url, {}, {})
        for _ in range(512):
            tell(span(), [exporter])
        await asyncio.wait_for(came.twice.wait(), 30)
        await ended(exporter)
    assert came[0] == came[1]


async def test_beyond_what_may_wait_spans_are_dropped_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async with collector(400) as (url, _):
        exporter = SpanExporter(url, {}, {})
        for _ in range(50_000):
            tell(span(), [exporter])
        await ended(exporter)
    assert sum(getattr(record, "spans", 0) for record in caplog.records) == 50_000


def test_every_sort_of_value_is_said_as_the_protocol_says_it() -> None:
    # A lone surrogate: JSON may bring one in a model's name.
    whole = span("chat \ud800", text="é", number=2**40, share=0.5, truth=True, several=["a"], nothing=None)
    whole.error = "error"
    assert json.loads(encoded(whole)) == {
        "traceId": "0a" * 16,
        "spanId": "0b" * 8,
        "parentSpanId": "0c" * 8,
        "name": "chat ?",
        "kind": 3,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "status": {"code": 2, "message": "error"},
        "attributes": [
            {"key": "text", "value": {"stringValue": "é"}},
            {"key": "number", "value": {"intValue": str(2**40)}},
            {"key": "share", "value": {"doubleValue": 0.5}},
            {"key": "truth", "value": {"boolValue": True}},
            {"key": "several", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
        ],
    }


async def test_a_span_that_cannot_be_said_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    class Unsayable:
        def __str__(self) -> str:
            raise ValueError("the prompt")

    async with collector(200) as (url, came):
        exporter = SpanExporter(url, {}, {})
        for told in (span("a"), span("b", value=Unsayable(), several=({},)), span("c", several=({},))):
            tell(told, [exporter])
        await ended(exporter)
    assert [names(one) for one in came] == [["a", "c"]]
    assert "the prompt" not in caplog.text


async def test_each_is_sent_what_is_for_it() -> None:
    async with collector(200) as (url, all_of_it), collector(200) as (other, some):
        exporters = [SpanExporter(url, {}, {}), SpanExporter(other, {}, {}, lambda one: one.name == "b")]
        for name in "ab":
            tell(span(name), exporters)
        for exporter in exporters:
            await ended(exporter)
    assert ([names(one) for one in all_of_it], [names(one) for one in some]) == ([["a", "b"]], [["b"]])
