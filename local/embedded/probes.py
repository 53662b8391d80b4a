"""Questions that tell whether a server is up. Each raises `NotHealthy`, an OSError or a timeout when it is not."""

import asyncio
import json
from collections.abc import Awaitable, Callable

Probe = Callable[[], Awaitable[str | None]]
"""Returns when the server answers as it should; the text, if any, is the server's own version."""

_LONGEST = 300
_LOCALHOST = "127.0.0.1"


class NotHealthy(Exception):
    """The server answered, and not as a healthy one."""


class Recovering(NotHealthy):
    """The server reads its data back after it died; however long that takes, a restart would only begin it anew."""


def http_probe(port: int, path: str = "/health/ready") -> Probe:
    """GET must answer 200."""

    async def probe() -> None:
        request = f"GET {path} HTTP/1.1\r\nHost: {_LOCALHOST}:{port}\r\nConnection: close\r\n\r\n"
        answer = await _exchange(port, request.encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1:2]
        if status != [b"200"]:
            raise NotHealthy(_trouble(body) or f"GET {path} answered {b''.join(status).decode()}")

    return probe


def redis_probe(port: int, password: str) -> Probe:
    """PING must answer, which it does not while the append-only file is still being read."""

    async def probe() -> str:
        commands = f"AUTH {password}\r\nPING\r\nINFO server\r\nQUIT\r\n"
        answer = (await _exchange(port, commands.encode())).decode(errors="replace")
        if "-LOADING" in answer:
            raise Recovering("it reads its data back")
        if "+PONG" not in answer:
            raise NotHealthy(answer.splitlines()[-1] if answer else "the connection was closed")
        return answer.partition("redis_version:")[2].split("\r\n", 1)[0]

    return probe


def postgres_probe(url: str) -> Probe:
    """A query must answer."""

    async def probe() -> str:
        import asyncpg

        try:
            connection = await asyncpg.connect(url, timeout=3, ssl=False)
        except asyncpg.CannotConnectNowError as error:
            raise Recovering(str(error)) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise NotHealthy(str(error)) from error
        try:
            return str(await connection.fetchval("SHOW server_version", timeout=3))
        finally:
            await connection.close(timeout=3)

    return probe


def _trouble(body: bytes) -> str:
    """Which checks of a health answer failed, and why."""
    try:
        checks = json.loads(body)["checks"]
        failed = {name: check.get("detail", "down") for name, check in checks.items() if check["status"] != "ok"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return ", ".join(f"{name}: {detail}" for name, detail in failed.items())[:_LONGEST]


async def _exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(_LOCALHOST, port)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.read(-1)
    finally:
        writer.close()
