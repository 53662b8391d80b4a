"""Spans, sent in batches from a thread as OTLP over HTTP in JSON (opentelemetry.io/docs/specs/otlp, "JSON Protobuf").

Not the SDK: its spans and its protobuf took a fifth of what a call of a model takes (docs/adr/0025). A span here is
what goes over the wire and nothing else.
"""

import http.client
import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson

_EVERY_SECONDS = 2.0
# So many are worth a request; where the collector is slow, more go into one.
_WORTH_SENDING = 128
_BATCH = 512
_MOST_WAITING = 8192
# All that a batch is tried for, and all that an ending process waits.
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
# Longest text of an attribute that is kept as it was sent; ids are longer, and most of them never come again.
_SHORT = 32
_AGAIN = frozenset({429, 502, 503, 504})
_ERROR = 2
# An `ExportTraceServiceRequest` around its spans.
_HEAD = b'{"resourceSpans":[{"resource":{"attributes":[%s]},"scopeSpans":[{"scope":{"name":"dcoder"},"spans":['
_TAIL = b"]}]}]}"
_logger = logging.getLogger(__name__)


class SpanKind(IntEnum):
    """OTLP's kinds of spans, as far as there are any here."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


@dataclass(slots=True)
class Span:
    """Something that took its time: ids in hex, times in nanoseconds since 1970.

    Attributes:
        attributes: text, numbers, truths and lists of text; None is left out.
        encoded: more of them as `encoded_attributes` gives them; those that many spans have in common are encoded once.
        error: what went wrong; empty where nothing did.
    """

    name: str
    kind: SpanKind
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    encoded: bytes = b""


class SpanExporter:
    """Sends spans to one address.

    Those that nobody takes are tried for a few seconds and dropped, as are those for which there is no room: telemetry
    never holds anybody up.

    Args:
        url: where they are posted.
        resource: what they are all labelled with.
        wants: which spans are for it; all by default.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        resource: Mapping[str, Any],
        wants: Callable[[Span], bool] | None = None,
    ) -> None:
        self._address = urlsplit(url)
        self._headers = {**headers, "content-type": "application/json"}
        self._head = _HEAD % encoded_attributes(resource)
        self.wants = wants
        self._waiting: deque[bytes] = deque()
        self._dropped = 0
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        # Started now: an interpreter that is ending starts no threads.
        self._thread.start()

    def add(self, told: bytes) -> None:
        """Send an encoded span, soon."""
        if len(self._waiting) >= _MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(told)
        if len(self._waiting) == _WORTH_SENDING:
            self._wake.set()

    def end(self) -> None:
        """Send what waits, now."""
        self._ending.set()
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait for so long that all has been sent."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ending.is_set() or self._waiting:
            self._wake.wait(_EVERY_SECONDS)
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                try:
                    # One copy of them all.
                    batch[0] = self._head + batch[0]
                    batch[-1] += _TAIL
                    self._send(b",".join(batch))
                except Exception as error:  # noqa: BLE001 - this thread is all there is
                    self._drop(len(batch), error)
        if self._connection is not None:
            self._connection.close()

    def _send(self, body: bytes) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                status = self._post(body)
                if status not in _AGAIN:
                    break
                problem: Exception = ConnectionError(f"the collector answered {status}")
            except (OSError, http.client.HTTPException) as error:
                self._connection, problem = None, error
            if time.monotonic() + _PAUSE_SECONDS > until or self._ending.wait(_PAUSE_SECONDS):
                raise problem
        if status >= 300:
            raise ConnectionError(f"the collector answered {status}")

    def _post(self, body: bytes) -> int:
        if self._connection is None:
            host, port = self._address.hostname or "", self._address.port
            if self._address.scheme == "https":
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(host, port, timeout=_PATIENCE_SECONDS, context=context)
            else:
                self._connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
        self._connection.request("POST", self._address.path, body, dict(self._headers))
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def _drop(self, amount: int, error: Exception) -> None:
        _logger.warning("spans were dropped", extra={"spans": amount + self._dropped, "reason": str(error)})
        self._dropped = 0


def end_all(exporters: Sequence[SpanExporter]) -> None:
    """Send what waits, for a few seconds together."""
    for exporter in exporters:
        exporter.end()
    until = time.monotonic() + _PATIENCE_SECONDS
    for exporter in exporters:
        exporter.join(max(0.0, until - time.monotonic()))


def tell(span: Span, exporters: Sequence[SpanExporter]) -> None:
    """Have a span that is over sent by those that it is for, soon.

    It is encoded here and now, while all of it is in the processor's caches. Left to the exporters' threads, hundreds
    are encoded at a time, which takes the interpreter from the event loop for as long and keeps all that they refer to.
    """
    told = b""
    for exporter in exporters:
        if exporter.wants is None or exporter.wants(span):
            try:
                told = told or encoded(span)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a span, what it tells of is done
                # Not its message: that may quote the prompt.
                _logger.warning("a span was not encoded", extra={"reason": type(error).__name__})
                return
            exporter.add(told)


def encoded(span: Span) -> bytes:
    """A `Span` of OTLP."""
    ids = f'"traceId":"{span.trace_id}","spanId":"{span.span_id}"'
    if span.parent_id:
        ids += f',"parentSpanId":"{span.parent_id}"'
    # 64 bits are text in protobuf's JSON.
    times = f'"startTimeUnixNano":"{span.began_ns}","endTimeUnixNano":"{span.ended_ns}"'
    status = orjson.dumps({"code": _ERROR, "message": _text(span.error)}) if span.error else b"{}"
    attributes = encoded_attributes(span.attributes)
    return b'{%s,"name":%s,"kind":%d,%s,"attributes":[%s],"status":%s}' % (
        ids.encode(),
        orjson.dumps(_text(span.name)),
        span.kind,
        times.encode(),
        b",".join((span.encoded, attributes)) if span.encoded and attributes else span.encoded or attributes,
        status,
    )


def encoded_attributes(attributes: Mapping[str, Any]) -> bytes:
    """Attributes as they are sent, with commas between them."""
    return b",".join([_attribute(name, value) for name, value in attributes.items() if value is not None])


def _attribute(name: str, value: Any) -> bytes:
    """An attribute as it is sent. Most are those of the call before: what is short is made once."""
    kind = value.__class__
    if kind is int or kind is bool or (kind is str and len(value) <= _SHORT):
        return _known_attribute(name, value)
    return orjson.dumps({"key": name, "value": _value(value)})


# By type as well: 1, 1.0 and True are equal, and sent in different forms.
@lru_cache(maxsize=8192, typed=True)
def _known_attribute(name: str, value: Any) -> bytes:
    return orjson.dumps({"key": name, "value": _value(value)})


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": _text(value)}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [{"stringValue": _text(str(one))} for one in value]}}
    # What a provider says may be of any form, and one value must not cost everybody's spans.
    return {"stringValue": _text(str(value))}


def _text(text: str) -> str:
    """The text without lone surrogates, which JSON may bring and UTF-8 cannot say."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
