"""A function's app answers what it did not foresee in the envelope, and says nothing of the cause."""

from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest

from functions.kit.app import FunctionApp
from functions.kit.catalogue import load_catalogue
from functions.kit.failures import envelope


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FunctionApp()

    @app.get("/breaks")
    async def breaks() -> None:
        raise RuntimeError("the password is 1234")

    app.serve_within_the_kit(load_catalogue().by_name("platform-tenants"), envelope)
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
