"""Assembles an event function: functions-framework's CloudEvent app within the kit's conventions."""

import functools
import importlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import functions_framework.aio
from cloudevents.http import CloudEvent
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route

from functions.kit.catalogue import Function
from functions.kit.context import RequestContext, serving
from functions.kit.database import PLATFORM, UnitOfWork, connection
from functions.kit.errors import Internal
from functions.kit.events import Event, EventError
from functions.kit.failures import as_dcoder_error
from functions.kit.health import live, ready
from functions.kit.middleware import KitMiddleware
from functions.kit.runtime import Runtime, Wire, shared_runtime
from functions.kit.settings import load_settings
from functions.kit.telemetry import EVENTS, metrics_endpoint

Use = Callable[[Any, Any], Awaitable[None]]
Prepare = Callable[[Any, Event], Awaitable[Any]]
Handle = Callable[[CloudEvent], Awaitable[None]]

_logger = logging.getLogger("dcoder.events")
_HANDLED = """
    INSERT INTO handled_events (source, id, function) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true
"""


def event_function(
    wire: Wire[Any],
    *,
    name: str,
    database: Callable[[Event], str] | None = lambda _: PLATFORM,
    prepare: Prepare | None = None,
) -> Callable[[Use], Handle]:
    """Decorate `async def handle(wiring, event)` into a functions-framework CloudEvent function.

    The handler runs in one unit of work together with the row that says the event was handled, so an event that is
    delivered twice has its effect once.

    Args:
        name: the function's name in the catalogue.
        database: in which database the effect and that row are written; None for a handler that makes units of work
            of its own because its work is long. It must bear to be called again for the same event.
        prepare: what takes long and writes nothing, done before the unit of work is opened. What it gives is handed to
            the handler in place of the event.
    """

    def decorate(use: Use) -> Handle:
        @functools.wraps(use)
        async def handle(cloud_event: CloudEvent) -> None:
            async with shared_runtime() as runtime:
                await _handle_once(
                    runtime, wire, use, _event(cloud_event), name=name, database=database, prepare=prepare
                )

        # functions-framework marks the function and says nothing of its type.
        return cast("Handle", functions_framework.aio.cloud_event(handle))

    return decorate


async def _handle_once(
    runtime: Runtime,
    wire: Wire[Any],
    use: Use,
    event: Event,
    *,
    name: str,
    database: Callable[[Event], str] | None,
    prepare: Prepare | None,
) -> None:
    context = RequestContext(event.request_id, event.traceparent, event.platform_id)
    with serving(context):
        try:
            wiring = await runtime.wired(wire)
            given = await prepare(wiring, event) if prepare else event
            if database is None:
                await use(wiring, given)
                EVENTS.labels(name, "handled").inc()
                return
            async with UnitOfWork(runtime.databases):
                session = await connection(database(event))
                if await session.fetchval(_HANDLED, event.source, event.id, name):
                    await use(wiring, given)
                    outcome = "handled"
                else:
                    outcome = "repeated"
        except Exception as error:
            EVENTS.labels(name, "failed").inc()
            known = as_dcoder_error(error)
            told = {"function": name, "event": event.id, "code": known.code, "reason": known.message}
            # Of what is not a bug of ours the reason says it all.
            _logger.warning("an event failed", extra=told, exc_info=error if isinstance(known, Internal) else None)
            headers = {} if known.retry_after is None else {"retry-after": str(max(1, round(known.retry_after)))}
            raise HTTPException(known.status, known.message, headers) from error
        EVENTS.labels(name, outcome).inc()


def event_app(function: Function) -> Starlette:
    """The ASGI app of an event function: POST / takes a CloudEvent, /health/* and /metrics beside it.

    functions-framework's app takes every path, so the probes are mounted before it.
    """
    module = importlib.import_module(function.module)
    framework = functions_framework.aio.create_asgi_app_from_module(  # type: ignore[no-untyped-call]
        "handle", str(function.folder / "main.py"), "cloudevent", module, module.__spec__
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with shared_runtime() as runtime:
            app.state.runtime = runtime
            yield

    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", metrics_endpoint),
            Mount("/", framework),
        ],
    )
    app.add_middleware(
        KitMiddleware,
        function=function.name,
        body_limit=function.body_limit,
        platform_id=load_settings().platform_id,
    )
    return app


def _event(cloud_event: CloudEvent) -> Event:
    try:
        return Event.from_attributes(cloud_event.get_attributes(), cloud_event.get_data())
    except EventError as error:
        raise HTTPException(400, str(error)) from error
