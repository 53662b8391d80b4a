"""What a route tells of its request decides, and what it leaves for later does not."""

from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request, Response

from functions.kit.authorisation import LATER, authorise, principal, require
from functions.kit.errors import DcoderError
from functions.kit.failures import as_dcoder_error, error_response
from functions.kit.policies.attributes import Resource
from functions.kit.routing import api_router
from functions.kit.runtime import Runtime
from tests.integration.platform_policies.conftest import People, eventually

pytestmark = pytest.mark.integration

router = api_router()


def of_user(request: Request) -> Resource:
    return Resource(owner=request.query_params.get("userId"))


@router.get("/told", dependencies=[require("usage:read", of_user)])
async def told() -> str:
    return "yes"


@router.get("/later", dependencies=[require("usage:read", LATER)])
async def later(owner: str) -> str:
    authorise(principal(), "usage:read", None, Resource(owner=owner))
    return "yes"


@router.get("/never", dependencies=[require("usage:read")])
async def never() -> str:
    return "yes"


@pytest_asyncio.fixture
async def shop(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async def answer(_: Request, error: Exception) -> Response:
        return error_response(as_dcoder_error(error))

    app = FastAPI(exception_handlers={DcoderError: answer})
    app.include_router(router)
    app.state.runtime = runtime
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://shop") as client:
        yield client


async def test_a_condition_holds_for_what_the_route_tells(shop: httpx.AsyncClient, people: People) -> None:
    own = {"name": "own", "who": ["role:user"], "actions": ["usage:read"], "effect": "allow"}
    policy = {**own, "when": "resource.owner == subject.user"}
    assert (await people.admin("PUT", people.path, {"policies": [policy]})).status_code == 200

    async def status(path: str) -> int:
        credential = {"authorization": f"Bearer {people.user.credential}"}
        return (await shop.get(path, headers=credential)).status_code

    async def is_in_force() -> bool:
        return await status("/told?userId=tester") == 200

    await eventually(is_in_force)
    assert await status("/told?userId=somebody-else") == 403
    assert await status("/told") == 403
    assert await status("/later?owner=tester") == 200
    assert await status("/later?owner=somebody-else") == 403
    assert await status("/never") == 403
