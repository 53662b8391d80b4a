"""One function inside a host process: its app and the app's life."""

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from functions.kit.catalogue import Function

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_logger = logging.getLogger(__name__)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0


class StartupFailed(Exception):
    """The app refused to start; the message is its own."""


class Lifespan:
    """Runs an app's lifespan (ASGI specification, Lifespan Protocol) in a task of its own."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._has_started = False
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Start the app.

        Raises:
            StartupFailed: it says it cannot, or ends without a word.
        """
        self._task = asyncio.create_task(self._run(), name="lifespan")
        answer = await self._tell("lifespan.startup")
        if answer["type"] != "lifespan.startup.complete":
            # Starlette sends its whole traceback: the last line names the error.
            words = str(answer.get("message") or "it ended during start-up").strip()
            raise StartupFailed(words.splitlines()[-1])
        self._has_started = True

    async def stop(self) -> None:
        """Let the app close what it opened."""
        if self._task and not self._task.done():
            await self._tell("lifespan.shutdown")
            await self._task

    async def _tell(self, kind: str) -> Message:
        await self._inbox.put({"type": kind})
        return await self._outbox.get()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._inbox.get, self._outbox.put)
        except Exception as error:
            # At start-up whoever waits for the answer tells it; later nobody does.
            if self._has_started:
                _logger.exception("a function's lifespan failed")
            await self._outbox.put({"type": "lifespan.failed", "message": f"{type(error).__name__}: {error}"})
        else:
            await self._outbox.put({"type": "lifespan.ended"})


class HostedFunction:
    """A function of the catalogue that this process hosts.

    Attributes:
        app: None until it has started.
        trouble: why it has not.
    """

    def __init__(self, function: Function, load: Callable[[Function], AsgiApp]) -> None:
        self.function = function
        self.app: AsgiApp | None = None
        self.trouble = "starting"
        self._load = load
        self._lifespan: Lifespan | None = None

    async def start(self) -> None:
        """Start the app, again and again until it works: what it needs may come up later."""
        pause = _FIRST_PAUSE
        while True:
            try:
                app = self._load(self.function)
                lifespan = Lifespan(app)
                await lifespan.start()
            except StartupFailed as error:
                self._note(str(error))
            except Exception as error:
                # Whatever a function does wrong at start-up must not reach the others in this process.
                _logger.exception("a function cannot be loaded", extra={"function": self.function.name})
                self._note(f"{type(error).__name__}: {error}".splitlines()[0])
            else:
                self._lifespan, self.app, self.trouble = lifespan, app, ""
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _note(self, trouble: str) -> None:
        self.trouble = trouble[:300]
        _logger.error("a function does not start: %s", self.trouble, extra={"function": self.function.name})

    async def stop(self) -> None:
        """Close the app."""
        self.app = None
        self.trouble = "stopped"
        if self._lifespan:
            await self._lifespan.stop()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the app must have started."""
        if self.app is None or self._lifespan is None:
            raise RuntimeError(f"{self.function.name} has not started")
        await self.app({**scope, "state": dict(self._lifespan.state)}, receive, send)


def load_app(function: Function) -> AsgiApp:
    """Import a function's app."""
    if function.kind == "event":
        from functions.kit.eventing import event_app

        return event_app(function)
    app: AsgiApp = importlib.import_module(function.module).app
    return app
