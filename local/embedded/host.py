"""Hosts several functions of the catalogue in one process: `python -m local.embedded.host GROUP` on `$PORT`.

`--container NAME` instead of a group hosts what one container of the Compose files has, for others to reach.
Requests go to the function whose route they match; `/fn/<name>/…` reaches a function by its name.
"""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from functions.kit.catalogue import Catalogue, Function, load_catalogue
from local.embedded.hosted import AsgiApp, HostedFunction, Message, Receive, Scope, Send, load_app
from local.embedded.router import Router

_BY_NAME = "/fn/"
_PROBE_SECONDS = 3.0


class Host:
    """The ASGI app of a host process."""

    def __init__(self, functions: Iterable[Function], load: Callable[[Function], AsgiApp] = load_app) -> None:
        self._functions = {function.name: HostedFunction(function, load) for function in functions}
        self._router = Router(hosted.function for hosted in self._functions.values())
        self._starting: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request, or run the lives of all functions."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        # The port opens at once: a function that cannot start yet answers 503, the others serve.
        self._starting = [
            asyncio.create_task(hosted.start(), name=f"start {name}") for name, hosted in self._functions.items()
        ]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.gather(*(hosted.stop() for hosted in self._functions.values()), return_exceptions=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        match = self._router.match(scope["method"], path)
        if match.function:
            await self._serve(self._functions[match.function], scope, receive, send)
        elif match.allowed:
            await _refuse(
                scope, send, 405, "method_not_allowed", "the path does not take this method", allowed=match.allowed
            )
        elif path == "/health/live":
            await _send_json(send, 200, {"status": "ok", "checks": {}})
        elif path == "/health/ready":
            await _send_json(send, *await self._readiness())
        elif path == "/metrics" and (first := self._first_started()):
            # Metrics are the process's, so any function tells them all.
            await first.serve(scope, receive, send)
        elif (named := self._by_name(path)) is not None:
            hosted, rest = named
            inner = {**scope, "path": rest, "raw_path": rest.encode()}
            await self._serve(hosted, inner, receive, send)
        else:
            await _refuse(scope, send, 404, "not_found", "there is no such path")

    def _by_name(self, path: str) -> tuple[HostedFunction, str] | None:
        name, _, rest = path.removeprefix(_BY_NAME).partition("/")
        if not path.startswith(_BY_NAME) or name not in self._functions:
            return None
        return self._functions[name], f"/{rest}"

    def _first_started(self) -> HostedFunction | None:
        return next((hosted for hosted in self._functions.values() if hosted.app), None)

    async def _serve(self, hosted: HostedFunction, scope: Scope, receive: Receive, send: Send) -> None:
        if hosted.app is None:
            message = f"{hosted.function.name} is not available"
            await _refuse(scope, send, 503, "dependency_unavailable", message)
        else:
            await hosted.serve(scope, receive, send)

    async def _readiness(self) -> tuple[int, dict[str, Any]]:
        """503 while a function has not started; otherwise what the process's dependencies are like."""
        checks: dict[str, Any] = {
            name: {"status": "down", "detail": hosted.trouble}
            for name, hosted in self._functions.items()
            if hosted.app is None
        }
        status, answer = 200, "ok"
        if first := self._first_started():
            status, body = await _ask_readiness(first)
            answer = str(body.get("status", "down"))
            checks.update(body.get("checks", {}))
        if any(hosted.app is None for hosted in self._functions.values()):
            status, answer = 503, "down"
        return status, {"status": answer, "checks": checks}


async def _ask_readiness(hosted: HostedFunction) -> tuple[int, dict[str, Any]]:
    """The answer of a function's own readiness endpoint; all functions of a process share what they depend on."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    path = "/health/ready"
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": [],
        "client": None, "server": None,
    }  # fmt: skip
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await hosted.serve(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent)
        return int(sent[0]["status"]), json.loads(body)
    except (TimeoutError, ValueError, IndexError, KeyError) as error:
        return 503, {"status": "down", "checks": {hosted.function.name: {"status": "down", "detail": str(error)}}}


async def _refuse(
    scope: Scope, send: Send, status: int, code: str, message: str, *, allowed: tuple[str, ...] = ()
) -> None:
    asked = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    headers = [(b"x-request-id", asked or str(uuid.uuid4()).encode())]
    if allowed:
        headers.append((b"allow", ", ".join(allowed).encode()))
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await _send_json(send, status, {"error": {"code": code, "message": message, "details": {}}}, headers)


async def _send_json(send: Send, status: int, body: object, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    text = json.dumps(body).encode()
    every = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": text})


def containers(catalogue: Catalogue) -> dict[str, tuple[Function, ...]]:
    """What containers host: `<context>` its HTTP functions, `<context>-<group>` a group of its event functions."""
    hosted: dict[str, list[Function]] = {}
    for function in catalogue:
        name = function.context if function.kind == "http" else f"{function.context}-{function.host}"
        hosted.setdefault(name, []).append(function)
    return {name: tuple(functions) for name, functions in sorted(hosted.items())}


def main() -> None:
    """Command line."""
    catalogue = load_catalogue()
    known: dict[str, tuple[Function, ...]]
    match sys.argv[1:]:
        case ["--container", name]:
            known, host, service = containers(catalogue), "0.0.0.0", name  # noqa: S104 - a container's contract
        case [name]:
            known = {group: catalogue.in_host(group) for group in sorted({function.host for function in catalogue})}
            host, service = "127.0.0.1", f"host-{name}"
        case _:
            raise SystemExit("usage: python -m local.embedded.host GROUP | --container NAME")
    if name not in known:
        raise SystemExit(f"there is no {name!r} to host; there are: {', '.join(known)}")
    from functions.kit.serve import run

    run(Host(known[name]), service=service, host=host, port=int(os.environ.get("PORT", "8100")))


if __name__ == "__main__":
    main()
