"""A function's app answers what it did not foresee in the envelope, and says nothing of the cause."""

from collections.abc import AsyncIterator

import asyncpg
import httpx2 as httpx
import pytest
from asyncpg.exceptions._base import DataError as InvalidArgument
from fastapi import Request
from starlette.types import Message, Scope

from functions.kit.app import FunctionApp
from functions.kit.catalogue import load_catalogue
from functions.kit.database import reporting_away
from functions.kit.errors import DependencyUnavailable
from functions.kit.failures import as_dcoder_error, envelope


@pytest.fixture
def app() -> FunctionApp:
    app = FunctionApp()

    @app.get("/breaks")
    async def breaks() -> None:
        raise RuntimeError("the password is 1234")

    @app.post("/reads")
    async def reads(request: Request) -> int:
        return len(await request.body())

    app.serve_within_the_kit(load_catalogue().by_name("platform-tenants"), envelope)
    return app


@pytest.fixture
async def client(app: FunctionApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://app") as client:
        yield client


async def test_a_bug_is_an_internal_error(client: httpx.AsyncClient) -> None:
    answer = await client.get("/breaks")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "1234" not in answer.text
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/%00", "/breaks/%00/x", "/breaks?name=%00"])
async def test_the_character_nul_in_an_address(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("announced", [b"2", b"99999999", None])
async def test_a_body_that_is_too_large_is_refused_whatever_was_announced(
    app: FunctionApp, announced: bytes | None
) -> None:
    part = b"x" * load_catalogue().by_name("platform-tenants").body_limit
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": True},
        {"type": "http.request", "body": b"x", "more_body": False},
    ]
    sent: list[Message] = []
    headers = [(b"content-length", announced)] if announced else []
    scope: Scope = {"type": "http", "method": "POST", "path": "/reads", "query_string": b"", "headers": headers}

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 413


async def test_a_client_that_leaves_while_it_sends_is_no_bug(
    app: FunctionApp, caplog: pytest.LogCaptureFixture
) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []
    scope: Scope = {"type": "http", "method": "POST", "path": "/reads", "query_string": b"", "headers": []}

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert not caplog.records


async def test_an_argument_that_the_database_cannot_have_is_the_callers_fault() -> None:
    with pytest.raises(InvalidArgument), reporting_away():
        raise InvalidArgument("value out of int64 range")
    assert as_dcoder_error(InvalidArgument("value out of int64 range")).status == 400
    with pytest.raises(DependencyUnavailable), reporting_away():
        raise asyncpg.InterfaceError("connection is closed")
    assert as_dcoder_error(asyncpg.InterfaceError("connection is closed")).status == 503
