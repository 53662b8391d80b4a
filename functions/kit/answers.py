"""Answers of JSON in one piece, which need nothing of what Starlette does for headers of any kind."""

from collections.abc import Awaitable, Mapping
from functools import cached_property

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# The name of an extension of ASGI, and of its one message: a whole answer to a request that is no HEAD, with `status`,
# `headers` (names in lower case to values, both as text; the server adds the length) and `body`.
WHOLE = "dcoder.whole"
# The name of an extension without messages: no body is longer than its head announced.
HOLDING = "dcoder.holding"


class JsonAnswer(Response):
    """JSON with headers whose names are in lower case."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self._given = {**headers, "content-type": "application/json"}

    @cached_property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override]
        """The headers as Starlette has them, made where somebody asks, who may then change them."""
        named = {**self._given, "content-length": str(len(self.body))}
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        """ASGI entry."""
        if WHOLE not in scope.get("extensions", ()) or "raw_headers" in vars(self):
            return super().__call__(scope, receive, send)
        return send({"type": WHOLE, "status": self.status_code, "headers": self._given, "body": self.body})
