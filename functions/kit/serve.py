"""Runs one function as a process of its own: `python -m functions.kit.serve NAME`, listening on `$PORT`.

This is Knative's container contract: plain HTTP on `$PORT`, probes on `/health/*`, SIGTERM drains.
"""

import gc
import importlib
import os
import socket
import sys
from types import FrameType
from typing import Any

import uvicorn

from functions.kit import draining
from functions.kit.catalogue import load_catalogue
from functions.kit.http_server import HttpProtocol
from functions.kit.logs import configure_logging
from functions.kit.settings import load_settings
from functions.kit.telemetry import configure_tracing

# Objects more than were freed, at which the collector looks at the young ones; a request makes some hundreds.
_YOUNG_OBJECTS = 10_000
# Longest that the event loop waits for the interpreter while a thread (spans, tokens of long prompts) has it; Python's
# own is 5 ms, longer than most requests take.
_TURN_SECONDS = 0.0005


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What was imported stays: the collector need not walk through it again and again.
        gc.freeze()
        gc.enable()
        gc.set_threshold(_YOUNG_OBJECTS)
        sys.setswitchinterval(_TURN_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        draining.begin()
        super().handle_exit(sig, frame)


def load_app(name: str) -> Any:
    """The ASGI app of a function of the catalogue."""
    function = load_catalogue().by_name(name)
    if function.kind == "event":
        from functions.kit.eventing import event_app

        return event_app(function)
    return importlib.import_module(function.module).app


def run(app: Any, *, service: str, host: str = "0.0.0.0", port: int) -> None:  # noqa: S104 - a container's contract
    """Serve an app until SIGTERM, then let open requests and streams finish."""
    settings = load_settings()
    configure_logging(settings.log_level)
    configure_tracing(service, settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=HttpProtocol,
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(settings.drain_seconds),
        timeout_keep_alive=75,
        backlog=2048,
    )
    _Server(config).run()


def main() -> None:
    """Command line."""
    if len(sys.argv) != 2:
        names = ", ".join(function.name for function in load_catalogue())
        raise SystemExit(f"usage: python -m functions.kit.serve NAME, one of: {names}")
    # While a program is loaded nothing becomes garbage; the collector would take a sixth of a cold start.
    gc.disable()
    run(load_app(sys.argv[1]), service=sys.argv[1], port=int(os.environ.get("PORT", "8080")))


if __name__ == "__main__":
    main()
