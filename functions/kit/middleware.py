"""The one raw ASGI layer around every function: request id, trace, body limit, errors, log and metrics."""

import logging
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.kit.context import RequestContext, current, serving
from functions.kit.errors import DcoderError, Internal, InvalidRequest, PayloadTooLarge
from functions.kit.failures import as_dcoder_error, error_response
from functions.kit.headers import RequestHeaders
from functions.kit.identifiers import is_request_id, new_id
from functions.kit.tallies import Spread, Tally
from functions.kit.telemetry import IN_FLIGHT, REQUEST_SECONDS, REQUESTS, label_span, server_span

_logger = logging.getLogger("dcoder.requests")
ErrorBody = Callable[[DcoderError], Mapping[str, Any]]
_OURS = (b"x-request-id", b"x-trace-id")
_OVERHEAD = b"x-dcoder-overhead-ms"
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
        given = headers.get("x-request-id", "")
        request_id = given if is_request_id(given) else new_id()
        name = f"{scope['method']} {self._function}"
        with (
            server_span(name, headers, _span_attributes(scope)) as traceparent,
            serving(RequestContext(request_id, traceparent, self._platform_id, error_body=self._error_body)),
        ):
            started = time.perf_counter()
            await self._serve(scope, receive, _Answer(send, request_id, started), headers, started)

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer", headers: Headers, started: float) -> None:
        self._in_flight.value += 1
        try:
            await self._guarded(scope, _LimitedBody(receive, self._body_limit, headers), answer)
        finally:
            self._in_flight.value -= 1
            self._record(scope, answer.status, time.perf_counter() - started)

    async def _guarded(self, scope: Scope, body: "_LimitedBody", answer: "_Answer") -> None:
        try:
            if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
                raise InvalidRequest("the address holds the character NUL")
            body.check_announced()
            await self._app(scope, body.receive, answer.send)
        except Exception as error:
            known = as_dcoder_error(error)
            if isinstance(known, Internal):
                _logger.exception("a request failed", exc_info=error)
            if answer.status:
                # The answer has begun; breaking the connection is the only honest end.
                raise
            await error_response(known)(scope, body.receive, answer.send)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        count, duration = _meters(self._function, route, status)
        count.value += 1
        duration.observe(seconds)
        label_span({"http.route": route, "http.response.status_code": status, "dcoder.tenant.id": current().tenant_id})
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


class _Answer:
    """Passes an answer on, labelled, and remembers that it began."""

    def __init__(self, send: Send, request_id: str, started: float) -> None:
        self._send = send
        self._request_id = request_id
        self._started = started
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            context = current()
            given = [*message.get("headers", ())]
            known = dict(given)
            if not known.keys().isdisjoint(_OURS):
                given = [pair for pair in given if pair[0] not in _OURS]
            given.append((b"x-request-id", self._request_id.encode()))
            given.append((b"x-trace-id", context.trace_id.encode()))
            if _OVERHEAD not in known:
                overhead = time.perf_counter() - self._started - context.outside.seconds
                given.append((_OVERHEAD, b"%.2f" % (max(0.0, overhead) * 1000)))
            message["headers"] = given
        await self._send(message)


class _LimitedBody:
    """Counts the request's body and refuses what is larger than allowed."""

    def __init__(self, receive: Receive, limit: int, headers: Mapping[str, str]) -> None:
        self._receive = receive
        self._limit = limit
        self._announced = headers.get("content-length")
        self._seen = 0

    def check_announced(self) -> None:
        if self._announced is not None:
            if not self._announced.isdigit():
                raise InvalidRequest("Content-Length is not a number")
            self._count(int(self._announced), self._limit)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._count(self._seen, self._limit)
        return message

    @staticmethod
    def _count(size: int, limit: int) -> None:
        if size > limit:
            raise PayloadTooLarge(f"the body is larger than {limit} bytes", details={"limitBytes": limit})


def _span_attributes(scope: Scope) -> dict[str, str]:
    return {"http.request.method": scope["method"], "url.path": scope["path"], "server.address": "dcoder"}
