"""A request as the kit reads it.

Its headers are looked up in a dictionary: Starlette's go through all of them for every name. Its body is JSON as
RFC 8259 has it: Starlette's takes `NaN`, and halves of surrogate pairs, which nothing behind it can keep or send back.
"""

from functools import lru_cache
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Scope

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RequestHeaders(Headers):
    """Starlette's headers; of several of one name the first is found, as there."""

    def __init__(self, scope: Scope) -> None:
        self._list = scope["headers"] = list(scope["headers"])
        # Servers give names in lower case (ASGI specification, HTTP connection scope).
        self._first = dict(reversed(self._list))

    def __getitem__(self, key: str) -> str:
        return self._first[_sent(key)].decode("latin-1")

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and _sent(key) in self._first

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a header, or `default`."""
        value = self._first.get(_sent(key))
        return default if value is None else value.decode("latin-1")


@lru_cache(maxsize=1024)
def _sent(name: str) -> bytes:
    """A header's name as servers give it."""
    return name.lower().encode("latin-1")


class KitRequest(Request):
    """A request that has its headers from the kit's middleware."""

    @property
    def headers(self) -> Headers:
        """As they came; looked up anew where the kit's middleware is not around."""
        found: Headers | None = self.scope.get("dcoder.headers")
        if found is None:
            found = self.scope["dcoder.headers"] = RequestHeaders(self.scope)
        return found

    async def body(self) -> bytes:
        """The whole body. Starlette's goes through a generator, for what nearly always is one message.

        Raises:
            ClientDisconnect: the client left before it was whole.
        """
        if not hasattr(self, "_body"):
            message = await self._receive()
            is_all = message["type"] == "http.request" and not message.get("more_body", False)
            self._body = message.get("body", b"") if is_all else await self._joined(message)
            self._stream_consumed = True
        return self._body

    async def json(self) -> Any:
        """What the body says.

        Raises:
            json.JSONDecodeError: it is no JSON, or nested deeper than 1024 levels.
            ClientDisconnect: the client left before it was whole.
        """
        if not hasattr(self, "_json"):
            self._json = orjson.loads((await self.body()).removeprefix(_BYTE_ORDER_MARK))
        return self._json

    async def _joined(self, message: Message) -> bytes:
        """A body in parts, of which this is the first."""
        parts: list[bytes] = []
        while message["type"] == "http.request":
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await self._receive()
        self._is_disconnected = True
        raise ClientDisconnect
