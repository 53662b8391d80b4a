"""Spans, sent in batches from a thread as OTLP over HTTP in JSON (opentelemetry.io/docs/specs/otlp, "JSON Protobuf").

Not the SDK: its spans and its protobuf took a fifth of what a call of a model takes (docs/adr/0025). A span here is
what goes over the wire and nothing else: an opening, which many have in common, attributes of its own and a closing.
"""

import http.client
import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

import orjson

_EVERY_SECONDS = 2.0
# So many go into one request, which costs the loop the interpreter for some tenths of a millisecond.
_BATCH = 512
_MOST_WAITING = 8192
# All that a batch is tried for, and all that an ending process waits.
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
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


class SpanExporter:
    """Sends spans to one address.

    Those that nobody takes are tried for a few seconds and dropped, as are those for which there is no room: telemetry
    never holds anybody up.

    Args:
        url: where they are posted.
        resource: what they are all labelled with.
    """

    def __init__(self, url: str, headers: Mapping[str, str], resource: Mapping[str, Any]) -> None:
        self._address = urlsplit(url)
        self._headers = {**headers, "content-type": "application/json"}
        self._head = _HEAD % encoded_attributes(resource)
        self._waiting: deque[bytes] = deque()
        self._dropped = 0
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        # Started now: an interpreter that is ending starts no threads.
        self._thread.start()

    def add(self, span: bytes) -> None:
        """Send a span, soon."""
        waiting = len(self._waiting)
        if waiting >= _MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(span)
        if waiting + 1 == _BATCH:
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
            is_full = self._wake.wait(_EVERY_SECONDS)
            self._wake.clear()
            # What does not fill a request waits for more, but no longer than that.
            least = _BATCH if is_full and not self._ending.is_set() else 1
            while len(self._waiting) >= least:
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


def opening(name: str, kind: SpanKind, attributes: Mapping[str, Any], error: str = "") -> bytes:
    """How spans begin that have all of this in common, their list of attributes open for those of their own.

    Args:
        attributes: at least one.
        error: what went wrong; empty where nothing did.
    """
    status = orjson.dumps({"code": _ERROR, "message": _text(error)}) if error else b"{}"
    shared = encoded_attributes(attributes)
    return b'{"name":%b,"kind":%d,"status":%b,"attributes":[%b' % (quoted(name), kind, status, shared)


def closing(trace_id: str, span_id: str, parent_id: str, began_ns: int, ended_ns: int) -> bytes:
    """How a span ends: ids in hex, that of its parent empty where it has none, and nanoseconds since 1970."""
    parent = f'"parentSpanId":"{parent_id}",' if parent_id else ""
    # 64 bits are text in protobuf's JSON.
    return (
        f'],"traceId":"{trace_id}","spanId":"{span_id}",{parent}'
        f'"startTimeUnixNano":"{began_ns}","endTimeUnixNano":"{ended_ns}"}}'
    ).encode()


def quoted(text: str) -> bytes:
    """A text as JSON has it, whatever it holds."""
    try:
        return orjson.dumps(text)
    except orjson.JSONEncodeError:
        return orjson.dumps(_text(text))


def encoded_attributes(attributes: Mapping[str, Any]) -> bytes:
    """Attributes as they are sent, with commas between them: text, numbers, truths and lists of text.

    None is left out.
    """
    told = [{"key": name, "value": _value(value)} for name, value in attributes.items() if value is not None]
    return orjson.dumps(told)[1:-1]


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
