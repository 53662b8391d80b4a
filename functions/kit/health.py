"""Liveness and readiness: each dependency asked, none waited for longer than a second."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

Check = Callable[[], Awaitable[None]]

_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class Health:
    """The checks of one process.

    Attributes:
        draining: set once the process was told to stop; readiness then says so.
    """

    def __init__(self) -> None:
        self._checks: dict[str, tuple[Check, bool]] = {}
        self.draining = False

    def add(self, name: str, check: Check, *, required: bool = True) -> None:
        """Register a dependency.

        Args:
            required: without it the process cannot serve; otherwise it serves degraded.
        """
        self._checks[name] = (check, required)

    async def report(self) -> tuple[int, dict[str, Any]]:
        """HTTP status and body of the readiness answer."""
        names = list(self._checks)
        results = await asyncio.gather(*(_run(name, self._checks[name][0]) for name in names))
        checks = dict(zip(names, results, strict=True))
        failed = {name for name, result in checks.items() if result["status"] != "ok"}
        down = self.draining or any(self._checks[name][1] for name in failed)
        status = "draining" if self.draining else "down" if down else "degraded" if failed else "ok"
        return (503 if down else 200), {"status": status, "checks": checks}


async def live(_: Request) -> JSONResponse:
    """The endpoint that says the process runs and its loop turns."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> JSONResponse:
    """The endpoint that says whether the process can serve, dependency by dependency."""
    health: Health = request.app.state.runtime.health
    status, body = await health.report()
    return JSONResponse(body, status_code=status)


async def _run(name: str, check: Check) -> Mapping[str, str]:
    try:
        await asyncio.wait_for(check(), _SECONDS)
    except Exception as error:
        _logger.debug("health check failed", extra={"check": name}, exc_info=error)
        # The reason may hold addresses and users: the kind of the error is enough outside.
        return {"status": "down", "detail": type(error).__name__}
    return {"status": "ok"}
