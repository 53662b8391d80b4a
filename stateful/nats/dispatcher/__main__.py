"""`python -m stateful.nats.dispatcher`: the event plane as a process, with probes and metrics on `$PORT`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from functions.kit.catalogue import Catalogue, load_catalogue
from functions.kit.health import live, ready
from functions.kit.serve import run
from functions.kit.settings import load_settings
from functions.kit.telemetry import metrics_endpoint
from stateful.nats.dispatcher.plane import EventPlane


def create_app(catalogue: Catalogue) -> Starlette:
    """The ASGI app whose lifespan is the event plane's."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        plane = EventPlane(load_settings(), catalogue)
        app.state.runtime = plane
        await plane.start()
        try:
            yield
        finally:
            await plane.stop()

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", metrics_endpoint),
        ],
    )


def main(catalogue: Catalogue | None = None) -> None:
    """Command line.

    Args:
        catalogue: the functions to drive; by default all there are.
    """
    host = "127.0.0.1" if load_settings().environment == "embedded" else "0.0.0.0"  # noqa: S104 - a container's contract
    app = create_app(catalogue or load_catalogue())
    run(app, service="dispatcher", host=host, port=int(os.environ.get("PORT", "8104")))


if __name__ == "__main__":
    main()
