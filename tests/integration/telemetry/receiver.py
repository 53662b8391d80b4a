"""Stands in for a collector and for Langfuse: takes OTLP in JSON and reads it by OpenTelemetry's schema."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf.json_format import MessageToDict, ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_IDS = {"traceId", "spanId", "parentSpanId"}


@dataclass
class Received:
    """What came: spans as plain dictionaries, and the headers of every request, by path."""

    address: str = ""
    spans: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    headers: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def named(self, path: str, name: str) -> list[dict[str, Any]]:
        return [span for span in self.spans.get(path, []) if span["name"] == name]


@asynccontextmanager
async def receiving() -> AsyncIterator[Received]:
    received = Received()

    async def take(request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        message = ParseDict(_as_protobuf(json.loads(await request.read())), ExportTraceServiceRequest())
        received.headers.setdefault(request.path, []).append({k.lower(): v for k, v in request.headers.items()})
        for resource in message.resource_spans:
            shared = _attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    plain = MessageToDict(span)
                    plain["attributes"] = _attributes(span.attributes)
                    received.spans.setdefault(request.path, []).append({**plain, "resource": shared})
        return web.json_response({})

    application = web.Application(client_max_size=1 << 26)
    application.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    received.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield received
    await runner.cleanup()


def _as_protobuf(told: Any) -> Any:
    """OTLP has ids in hexadecimal where protobuf's JSON has bytes in base64; all else is protobuf's JSON."""
    if isinstance(told, list):
        return [_as_protobuf(one) for one in told]
    if not isinstance(told, dict):
        return told
    ids = {name: base64.b64encode(bytes.fromhex(told[name])).decode() for name in told if name in _IDS}
    return {name: ids.get(name) or _as_protobuf(value) for name, value in told.items()}


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)
