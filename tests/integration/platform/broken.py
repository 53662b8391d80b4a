"""Real ports with one step that breaks."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from functions.platform.core.errors import ProvisioningFailed

Port = TypeVar("Port")


def breaking(port: Port, step: str, then: Callable[[], Any] | None = None) -> Port:
    """The port, but its method `step` does its work and then fails, or does `then` instead of returning."""
    return cast("Port", _Breaking(port, step, then or _fail))


class _Breaking:
    def __init__(self, port: object, step: str, then: Callable[[], Any]) -> None:
        self._port = port
        self._step = step
        self._then = then

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name != self._step:
            return method
        if not inspect.iscoroutinefunction(method):
            return lambda *arguments: (method(*arguments), self._then())[0]

        async def broken(*arguments: Any) -> Any:
            result = await method(*arguments)
            outcome = self._then()
            if inspect.isawaitable(outcome):
                await outcome
            return result

        return broken


def _fail() -> None:
    raise ProvisioningFailed("broken on purpose")
