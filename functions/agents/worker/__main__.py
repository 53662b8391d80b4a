"""`python -m functions.agents.worker`: works on executions, with probes and metrics on `$PORT`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from functions.agents.wiring_worker import worker_parts
from functions.agents.worker.working import Working
from functions.kit.health import live, ready
from functions.kit.runtime import shared_runtime
from functions.kit.serve import run
from functions.kit.settings import load_settings
from functions.kit.telemetry import metrics_endpoint


def create_app() -> Starlette:
    """The ASGI app whose lifespan is the worker's."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with shared_runtime() as runtime, Working(await runtime.wired(worker_parts)) as working:
            runtime.health.add("temporal", working.check)
            app.state.runtime = runtime
            yield

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", metrics_endpoint),
        ],
    )


def main() -> None:
    """Command line."""
    host = "127.0.0.1" if load_settings().environment == "embedded" else "0.0.0.0"  # noqa: S104 - a container's contract
    run(create_app(), service="agents-worker", host=host, port=int(os.environ.get("PORT", "8083")))


if __name__ == "__main__":
    main()
