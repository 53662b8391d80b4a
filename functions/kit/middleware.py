"""The one raw ASGI layer around every function: request id, trace, body limit, errors, log and metrics."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.kit.answers import HOLDING, WHOLE
from functions.kit.context import RequestContext, current, serving
from functions.kit.errors import DcoderError, Internal, InvalidRequest, PayloadTooLarge
from functions.kit.failures import as_dcoder_error, error_response
from functions.kit.headers import RequestHeaders
from functions.kit.identifiers import is_request_id, new_id
from functions.kit.tallies import Spread, Tally
from functions.kit.telemetry import IN_FLIGHT, REQUEST_SECONDS, REQUESTS, server_span

_logger = logging.getLogger("dcoder.requests")
ErrorBody = Callable[[DcoderError], Mapping[str, Any]]
_OVERHEAD = "x-dcoder-overhead-ms"
_QUIET = ("/health/", "/metrics")


class KitMiddleware:
    """Serves a request within its context and makes sure that something well-formed answers it.

    Args:
        function: the function's name, a label.
        body_limit: largest request body in bytes.
        error_body: words errors otherwise than the platform's envelope does.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        function: str,
        body_limit: int,
        platform_id: str,
        error_body: ErrorBody | None = None,
    ) -> None:
        self._app = app
        self._function = function
        self._body_limit = body_limit
        self._platform_id = platform_id
        self._error_body = error_body
        self._in_flight = IN_FLIGHT.labels(function)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http" or scope["path"].startswith(_QUIET):
            await self._app(scope, receive, send)
            return
        headers = scope["dcoder.headers"] = RequestHeaders(scope)
        given = headers.get("x-request-id")
        request_id = given if given is not None and is_request_id(given) else new_id()
        with server_span(scope["method"], self._function, scope["path"], headers.get("traceparent")) as span:
            context = RequestContext(request_id, span.traceparent, self._platform_id, error_body=self._error_body)
            with serving(context):
                exchange = _Exchange(receive, send, self._body_limit, context)
                self._in_flight.value += 1
                try:
                    await self._guarded(scope, headers, exchange)
                finally:
                    self._in_flight.value -= 1
                    self._record(scope, exchange.status, time.perf_counter() - exchange.started, span)

    async def _guarded(self, scope: Scope, headers: Headers, exchange: "_Exchange") -> None:
        try:
            if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
                raise InvalidRequest("the address holds the character NUL")
            body = exchange.body(headers.get("content-length"), is_held_to_it=HOLDING in scope.get("extensions", ()))
            await self._app(scope, body, exchange.send)
        except Exception as error:
            known = as_dcoder_error(error)
            if isinstance(known, Internal):
                _logger.exception("a request failed", exc_info=error)
            if exchange.status:
                # The answer has begun; breaking the connection is the only honest end.
                raise
            await error_response(known)(scope, exchange.count, exchange.send)

    def _record(self, scope: Scope, status: int, seconds: float, span: server_span) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        count, duration = _meters(self._function, route, status)
        count.value += 1
        duration.observe(seconds)
        span.answered = (route, status, current().tenant_id)
        if status >= 500 or _logger.isEnabledFor(logging.DEBUG):
            _logger.log(
                logging.WARNING if status >= 500 else logging.DEBUG,
                "answered",
                extra={
                    "function": self._function,
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                },
            )


@lru_cache(maxsize=4096)
def _meters(function: str, route: str, status: int) -> tuple[Tally, Spread]:
    """Looking a labelled metric up costs more than counting."""
    return REQUESTS.labels(function, route, status), REQUEST_SECONDS.labels(function, route)


class _Exchange:
    """A request's body, counted and refused where it is too large, and its answer, labelled on its way."""

    __slots__ = ("_context", "_limit", "_receive", "_seen", "_send", "started", "status")

    def __init__(self, receive: Receive, send: Send, limit: int, context: RequestContext) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self._context = context
        self._seen = 0
        self.started = time.perf_counter()
        self.status = 0

    def body(self, announced: str | None, *, is_held_to_it: bool) -> Receive:
        """Where the body is to be had from, unless it is announced as too large."""
        if announced is None:
            return self.count
        if not announced.isdigit():
            raise InvalidRequest("Content-Length is not a number")
        if int(announced) > self._limit:
            raise self._too_large()
        return self._receive if is_held_to_it else self.count

    async def count(self) -> Message:
        """The body's next part, if it and those before it are not too large."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit:
                raise self._too_large()
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Pass an answer on, labelled, and remember that it began."""
        kind = message["type"]
        if kind == WHOLE:
            self.status = message["status"]
            message["headers"] = headers = {**message["headers"], **self._ids()}
            if _OVERHEAD not in headers:
                headers[_OVERHEAD] = self._overhead()
        elif kind == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._labelled(message.get("headers", ()))
        return self._send(message)

    def _labelled(self, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        ours = {name.encode(): value.encode() for name, value in self._ids().items()}
        headers = [pair for pair in given if pair[0] not in ours]
        if _OVERHEAD.encode() not in dict(headers):
            ours[_OVERHEAD.encode()] = self._overhead().encode()
        return [*headers, *ours.items()]

    def _ids(self) -> dict[str, str]:
        return {"x-request-id": self._context.request_id, "x-trace-id": self._context.trace_id}

    def _overhead(self) -> str:
        """Milliseconds that nobody but the platform took."""
        return f"{max(0.0, time.perf_counter() - self.started - self._context.outside.seconds) * 1000:.2f}"

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"the body is larger than {self._limit} bytes", details={"limitBytes": self._limit})
