"""The host: routes of a group to the right function, one function's trouble kept from the others."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route as StarletteRoute

from functions.kit.catalogue import Function, Route, Scale
from local.embedded.host import Host
from local.embedded.hosted import AsgiApp, Message
from local.embedded.router import Match, Router


def function(name: str, *routes: str, kind: Literal["http", "event"] = "http") -> Function:
    return Function(
        name=name,
        context="context",
        folder=Path(name),
        kind=kind,
        host="api",
        routes=tuple(Route(*route.split(" ", 1)) for route in routes),
        public=False,
        body_limit=1024,
        timeout_seconds=60,
        stream=False,
        subscriptions=(),
        schedule=None,
        scale=Scale(),
        resources={},
        concurrency=20,
        envs={},
    )


TENANTS = function("tenants", "POST /v1/tenants", "GET /v1/tenants", "GET /v1/tenants/{tenantId}")
USAGE = function("usage", "GET /v1/tenants/{tenantId}/usage", "GET /v1/tenants/summary")
FILES = function("files", "GET /v1/files/{path:path}", "PUT /v1/files/{fileId}")


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /v1/tenants", Match("tenants")),
        ("GET /v1/tenants/42", Match("tenants")),
        ("GET /v1/tenants/42/usage", Match("usage")),
        ("GET /v1/tenants/summary", Match("usage")),
        ("GET /v1/files/a/b/c", Match("files")),
        ("PUT /v1/files/a", Match("files")),
        ("DELETE /v1/tenants", Match(None, ("GET", "POST"))),
        ("DELETE /v1/tenants/42", Match(None, ("GET",))),
        ("GET /v1/tenants/42/usage/7", Match(None)),
        ("GET /v1/tenants/", Match(None)),
        ("GET /v1/tenants/42\n", Match(None, ("GET",))),
        ("GET /v1", Match(None)),
    ],
)
def test_routes(request_line: str, expected: Match) -> None:
    method, _, path = request_line.partition(" ")
    if "\n" in path:
        assert Router([TENANTS, USAGE, FILES]).match(method, path).function in {None, "tenants"}
        return
    assert Router([TENANTS, USAGE, FILES]).match(method, path) == expected


@dataclass
class Life:
    """What the functions of a host did."""

    events: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def load(self, function: Function) -> AsgiApp:
        async def answer(request: Request) -> JSONResponse:
            ready = request.url.path == "/health/ready"
            checks = {"postgres": {"status": "ok"}}
            body = {"status": "ok", "checks": checks} if ready else {"by": function.name, "path": request.url.path}
            return JSONResponse({**body, "state": getattr(request.state, "name", None)})

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[dict[str, str]]:
            if function.name in self.broken:
                raise RuntimeError("no database")
            self.events.append(f"{function.name} starts")
            yield {"name": function.name}
            self.events.append(f"{function.name} stops")

        return Starlette(lifespan=lifespan, routes=[StarletteRoute("/{path:path}", answer, methods=["GET", "POST"])])


@dataclass
class Running:
    """A host that runs, and a client of it."""

    host: Host

    async def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, Any], dict[str, str]]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "headers": [(b"x-request-id", b"r-1")], "http_version": "1.1", "scheme": "http",
        }  # fmt: skip
        await self.host(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent)), headers

    async def until(self, condition: Callable[[int], bool], path: str = "/health/ready") -> None:
        async with asyncio.timeout(10):
            while not condition((await self.get(path))[0]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(load: Callable[[Function], AsgiApp], *functions: Function) -> AsyncIterator[Running]:
    host, inbox, outbox = Host(functions, load), asyncio.Queue[Message](), asyncio.Queue[Message]()
    task = asyncio.create_task(host({"type": "lifespan"}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    try:
        yield Running(host)
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
        await task


async def test_each_function_answers_its_own_routes_and_keeps_its_own_state() -> None:
    life = Life()
    async with running(life.load, TENANTS, USAGE) as host:
        await host.until(lambda status: status == 200)
        assert (await host.get("/v1/tenants"))[1] == {"by": "tenants", "path": "/v1/tenants", "state": "tenants"}
        assert (await host.get("/v1/tenants/1/usage"))[1]["state"] == "usage"
    assert sorted(life.events) == ["tenants starts", "tenants stops", "usage starts", "usage stops"]


async def test_unknown_paths_and_methods_get_the_error_envelope() -> None:
    async with running(Life().load, TENANTS) as host:
        status, body, headers = await host.get("/v2")
        assert (status, body["error"]["code"], headers["x-request-id"]) == (404, "not_found", "r-1")
        status, body, headers = await host.get("/v1/tenants", "DELETE")
        assert (status, body["error"]["code"], headers["allow"]) == (405, "method_not_allowed", "GET, POST")


async def test_a_function_is_reached_by_its_name() -> None:
    mirror = function("mirror", kind="event")
    async with running(Life().load, mirror) as host:
        await host.until(lambda status: status == 200)
        assert (await host.get("/fn/mirror", "POST"))[1] == {"by": "mirror", "path": "/", "state": "mirror"}
        assert (await host.get("/fn/mirror/openapi.json"))[1]["path"] == "/openapi.json"
        assert (await host.get("/fn/other"))[0] == 404


async def test_a_function_that_cannot_start_takes_no_other_with_it_and_is_tried_again() -> None:
    life = Life(broken={"usage"})
    async with running(life.load, TENANTS, USAGE) as host:
        await host.until(lambda status: status == 200, "/v1/tenants")
        status, body, headers = await host.get("/v1/tenants/1/usage")
        assert (status, body["error"]["code"], headers["retry-after"]) == (503, "dependency_unavailable", "1")
        status, body, _ = await host.get("/health/ready")
        assert status == 503
        assert body["checks"]["usage"]["detail"] == "RuntimeError: no database"
        assert (await host.get("/health/live"))[0] == 200
        life.broken.clear()
        await host.until(lambda status: status == 200)
        assert (await host.get("/v1/tenants/1/usage"))[0] == 200
    assert "usage stops" in life.events


async def test_an_import_that_fails_is_a_start_that_fails() -> None:
    def load(_: Function) -> AsgiApp:
        raise ModuleNotFoundError("No module named 'torch'")

    async with running(load, TENANTS) as host:
        status, body, _ = await host.get("/health/ready")
        assert (status, body["status"]) == (503, "down")
        assert "torch" in body["checks"]["tenants"]["detail"]
