"""A request's headers, looked up in a dictionary: Starlette's go through all of them for every name."""

from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope


class RequestHeaders(Headers):
    """Starlette's headers; of several of one name the first is found, as there."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        # Servers give names in lower case (ASGI specification, HTTP connection scope).
        self._first = dict(reversed(self._list))

    def __getitem__(self, key: str) -> str:
        return self._first[key.lower().encode("latin-1")].decode("latin-1")

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower().encode("latin-1") in self._first

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a header, or `default`."""
        value = self._first.get(key.lower().encode("latin-1"))
        return default if value is None else value.decode("latin-1")


class KitRequest(Request):
    """A request that has its headers from the kit's middleware."""

    @property
    def headers(self) -> Headers:
        """As they came."""
        found: Headers = self.scope["dcoder.headers"]
        return found
