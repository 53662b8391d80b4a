"""Assembles an HTTP function: its routes within the kit's conventions."""

import inspect
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.kit.catalogue import Function, load_catalogue
from functions.kit.errors import DcoderError
from functions.kit.failures import as_dcoder_error, error_response
from functions.kit.forgetting import forgetting
from functions.kit.headers import KitRequest
from functions.kit.health import live, ready
from functions.kit.middleware import ErrorBody, KitMiddleware
from functions.kit.routing import Handler, KitRoute
from functions.kit.runtime import Wire, shared_runtime
from functions.kit.settings import load_settings
from functions.kit.telemetry import metrics_endpoint


class FunctionApp(FastAPI):
    """A FastAPI app served within the kit's middleware, with a short way to routes that need nothing of FastAPI.

    FastAPI's own stack (four middlewares, two exit stacks, dependency solving) costs more than all else that a
    cached completion does; routes whose endpoint takes just the request and the principal go past it.
    """

    def take_over(self, router: APIRouter) -> None:
        """Serve a router's routes as they are: FastAPI's own inclusion would wrap each once more, on every request."""
        self.router.routes.extend(router.routes)

    def build_middleware_stack(self) -> ASGIApp:
        """Starlette's, without the layer that would answer in plain text what the kit answers in the envelope."""
        outermost = super().build_middleware_stack()
        return outermost.app if isinstance(outermost, ServerErrorMiddleware) else outermost

    def serve_within_the_kit(self, function: Function, error_body: ErrorBody | None) -> None:
        """Put the kit's middleware around everything, and find out which routes can go the short way."""
        self._short: dict[tuple[str, str], Handler] = {
            (method, route.path): route.serve_directly
            for route in self.routes
            if isinstance(route, KitRoute) and route.is_direct and "{" not in route.path
            for method in route.methods or ()
        }
        self._kit = KitMiddleware(
            self._inner,
            function=function.name,
            body_limit=function.body_limit,
            platform_id=load_settings().platform_id,
            error_body=error_body,
        )

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """ASGI entry."""
        return self._kit(scope, receive, send)

    async def _inner(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve = self._short.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if serve is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        answer = await serve(KitRequest(scope, receive, send))
        await answer(scope, receive, send)


def create_app(*routers: APIRouter, wire: Wire[Any], error_body: ErrorBody | None = None) -> FastAPI:
    """The ASGI app of the function whose `main.py` calls this.

    Args:
        routers: made by `functions.kit.routing.api_router`.
        wire: the context's composition root; what it yields is what `wiring_of` gives to routes.
        error_body: words errors as the callers of the API know them; the platform's envelope by default.
    """
    function = _calling_function(_caller())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with shared_runtime() as runtime:
            app.state.runtime = runtime
            app.state.wiring = await runtime.wired(wire)
            await runtime.wired(forgetting)
            yield

    app = FunctionApp(
        title=f"D.Coder {function.name}",
        version="1",
        lifespan=lifespan,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    for router in routers:
        app.take_over(router)
    for kind in (DcoderError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer_error)
    app.router.add_route("/health/live", live, include_in_schema=False)
    app.router.add_route("/health/ready", ready, include_in_schema=False)
    app.router.add_route("/metrics", metrics_endpoint, include_in_schema=False)
    app.serve_within_the_kit(function, error_body)
    return app


def wiring_of(request: Request) -> Any:
    """What the context's `wire` yields; a dependency for routes."""
    return request.app.state["wiring"]


WiringOf = Annotated[Any, Depends(wiring_of)]


def _caller() -> str:
    """The file that calls `create_app`; `inspect.stack` would read the source of every frame."""
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame and frame.f_back
    return frame.f_code.co_filename if frame else ""


def _calling_function(filename: str) -> Function:
    folder = Path(filename).resolve().parent
    for function in load_catalogue():
        if function.folder == folder:
            return function
    raise LookupError(f"{folder} has no func.yaml")


async def _answer_error(_: Request, error: Exception) -> Response:
    return error_response(as_dcoder_error(error))
