"""The last requests, for tests that want to see what reached the provider."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request

_KEPT = 500
_SHOWN = 100
_BODY_BYTES = 32 * 1024
_SECRET_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"})


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    complete: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "path": self.path,
            "query": {name: _redacted(name == "key", value) for name, value in self.query.items()},
            "headers": {name: _redacted(name in _SECRET_HEADERS, value) for name, value in self.headers.items()},
            "body": _readable(self.body) if self.complete else self.body.decode(errors="replace"),
            "bodyComplete": self.complete,
        }


class Journal:
    """A bounded list of requests; bodies over 32 KiB are kept cut and as text."""

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque(maxlen=_KEPT)

    def add(self, key: str, request: Request, body: bytes) -> None:
        """Remember a request of `key` (empty when it carried none)."""
        self._entries.append(
            _Entry(
                key=key,
                method=request.method,
                path=request.url.path,
                query=dict(request.query_params),
                headers=dict(request.headers),
                body=body[:_BODY_BYTES],
                complete=len(body) <= _BODY_BYTES,
            )
        )

    def report(self, key: str | None = None) -> list[dict[str, Any]]:
        """Up to 100 requests, oldest first, of all keys or of one."""
        chosen = [entry for entry in self._entries if key is None or entry.key == key]
        return [entry.as_json() for entry in chosen[-_SHOWN:]]

    def clear(self) -> None:
        """Forget all requests."""
        self._entries.clear()


def _redacted(secret: bool, value: str) -> str:
    return "***" if secret else value


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
