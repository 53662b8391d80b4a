"""A request's body as JSON."""

import json

import pytest
from starlette.types import Message

from functions.kit.headers import KitRequest


def request(body: bytes) -> KitRequest:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return KitRequest({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}, receive)


@pytest.mark.parametrize(
    "body", [b'{"a":[1,true,null,1.5,"\\ud83d\\ude00"]}', b'\xef\xbb\xbf{"a":[1,true,null,1.5,"\\ud83d\\ude00"]}']
)
async def test_json_is_read(body: bytes) -> None:
    assert await request(body).json() == {"a": [1, True, None, 1.5, "\N{GRINNING FACE}"]}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[NaN]", b"[-Infinity]", b'{"\\ud800":1}', b'["\\udc00"]', b'["\xff"]', b"[" * 5_000 + b"]" * 5_000],
)
async def test_what_nothing_behind_it_could_keep_is_no_json(body: bytes) -> None:
    with pytest.raises(json.JSONDecodeError):
        await request(body).json()
