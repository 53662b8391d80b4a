"""Assembles an HTTP function: its routes within the kit's conventions."""

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from functions.kit.catalogue import Function, load_catalogue
from functions.kit.errors import DcoderError
from functions.kit.failures import as_dcoder_error, error_response
from functions.kit.health import live, ready
from functions.kit.middleware import KitMiddleware
from functions.kit.runtime import Wire, shared_runtime
from functions.kit.telemetry import metrics_endpoint


def create_app(*routers: APIRouter, wire: Wire[Any]) -> FastAPI:
    """The ASGI app of the function whose `main.py` calls this.

    Args:
        routers: made by `functions.kit.routing.api_router`.
        wire: the context's composition root; what it yields is what `wiring_of` gives to routes.
    """
    function = _calling_function(inspect.stack()[1].filename)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with shared_runtime() as runtime:
            app.state.runtime = runtime
            app.state.wiring = await runtime.wired(wire)
            yield

    app = FastAPI(
        title=f"D.Coder {function.name}",
        version="1",
        lifespan=lifespan,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    for router in routers:
        # Taken over as they are: FastAPI's own inclusion wraps every route once more, on every request.
        app.router.routes.extend(router.routes)
    for kind in (DcoderError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer_error)
    app.router.add_route("/health/live", live, include_in_schema=False)
    app.router.add_route("/health/ready", ready, include_in_schema=False)
    app.router.add_route("/metrics", metrics_endpoint, include_in_schema=False)
    app.add_middleware(
        KitMiddleware, function=function.name, body_limit=function.body_limit, platform_id=load_platform_id()
    )
    return app


def wiring_of(request: Request) -> Any:
    """What the context's `wire` yields; a dependency for routes."""
    return request.app.state.wiring


WiringOf = Annotated[Any, Depends(wiring_of)]


def load_platform_id() -> str:
    """The installation's name."""
    from functions.kit.settings import load_settings

    return load_settings().platform_id


def _calling_function(filename: str) -> Function:
    folder = Path(filename).resolve().parent
    for function in load_catalogue():
        if function.folder == folder:
            return function
    raise LookupError(f"{folder} has no func.yaml")


async def _answer_error(_: Request, error: Exception) -> Response:
    return error_response(as_dcoder_error(error))
