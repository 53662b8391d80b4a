"""One connection to Redis that many requests share: commands are sent as they come, replies matched in order.

redis-py's asynchronous client takes 75 to 150 µs of processor time per command, a pool check-out and task switches
included, and the LLM path makes three per call. This is the same protocol parsed by the same C library (hiredis) at
about 10 µs, and nothing more than the gateway needs: execute a command, run a script, reconnect, and leave a Redis
that is away alone.
"""

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis

_logger = logging.getLogger(__name__)
_MOST_OWED = 10_000


class RedisAway(Exception):
    """Redis did not answer, now or a moment ago."""


class RedisRefused(Exception):
    """Redis answered that the command is wrong."""


class RedisLink:
    """A shared connection with a circuit breaker.

    After a failure Redis is left alone for `rest_seconds`; then one command probes, and the others go on failing at
    once until it has succeeded.

    Args:
        url: `redis://USER:PASSWORD@HOST:PORT/DATABASE`, or `rediss://` for TLS; all but the host may be left out.
        timeout_seconds: longest wait for a connection or a reply.
    """

    def __init__(self, url: str, *, timeout_seconds: float = 2.0, rest_seconds: float = 1.0) -> None:
        self._address = urlsplit(url)
        self._timeout = timeout_seconds
        self._rest = rest_seconds
        self._resting_until = 0.0
        self._is_away = False
        self._wire: _Wire | None = None
        self._connecting: asyncio.Task[_Wire] | None = None

    def send(self, command: bytes) -> "asyncio.Future[Any] | None":
        """Send a command now, and wait for its reply or error later; None where there is no connection yet.

        Args:
            command: as it goes over the wire.
        """
        wire = self._wire
        return None if wire is None or wire.lost else wire.ask(command)

    async def ask(self, command: bytes) -> Any:
        """A command's reply, or its error as hiredis has it.

        Raises:
            RedisAway: there is no reply.
        """
        begun = self.send(command)
        return await (begun if begun is not None else (await self._connect()).ask(command))

    async def execute(self, *parts: Any) -> Any:
        """A command's reply.

        Raises:
            TypeError: a part cannot be sent.
            RedisAway: there is no reply.
            RedisRefused: the reply is an error.
        """
        return _unwrapped(await self.ask(hiredis.pack_command(parts)))

    async def transact(self, *commands: tuple[Any, ...]) -> list[Any]:
        """The replies of commands that take effect together or not at all (MULTI … EXEC).

        Raises:
            RedisAway: there is no reply.
            RedisRefused: one of them is wrong.
        """
        wire = self._wire
        if wire is None or wire.lost:
            wire = await self._connect()
        # Asked without a pause between them, so that nobody else's command falls into the transaction.
        packed = [hiredis.pack_command(parts) for parts in (("MULTI",), *commands, ("EXEC",))]
        *queued, replies = [wire.ask(command) for command in packed]
        for answer in queued:
            _unwrapped(await answer)
        return [_unwrapped(reply) for reply in _unwrapped(await replies)]

    async def close(self) -> None:
        """Close the connection; what is under way fails."""
        if self._wire is not None:
            self._wire.close()
            # The transport lets go of its socket in the loop's next turn.
            await asyncio.sleep(0)

    async def _connect(self) -> "_Wire":
        if self._wire is not None and self._wire.is_late:
            # Another connection would be as late.
            self._wire, self._is_away, self._resting_until = None, True, time.monotonic() + self._rest
        if time.monotonic() < self._resting_until or (self._connecting is not None and self._is_away):
            raise RedisAway("redis was away a moment ago")
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._open(), name="redis-connect")
            self._connecting.add_done_callback(self._has_tried)
        return await asyncio.shield(self._connecting)

    def _has_tried(self, connecting: "asyncio.Task[_Wire]") -> None:
        self._connecting = None
        if not connecting.cancelled():
            # Theirs who wait for it, if anybody does.
            connecting.exception()

    async def _open(self) -> "_Wire":
        host, port = self._address.hostname or "127.0.0.1", self._address.port or 6379
        loop = asyncio.get_running_loop()
        wire = None
        try:
            async with asyncio.timeout(self._timeout):
                _, wire = await loop.create_connection(
                    lambda: _Wire(self._timeout), host, port, ssl=True if self._address.scheme == "rediss" else None
                )
                for command in self._greetings():
                    reply = await wire.ask(hiredis.pack_command(command))
                    if isinstance(reply, hiredis.ReplyError):
                        raise RedisAway(f"redis refused the connection: {reply}")
        except (OSError, TimeoutError, RedisAway) as error:
            if wire is not None:
                wire.close()
            # From here on: one that hangs is noticed later than it may rest.
            self._is_away, self._resting_until = True, time.monotonic() + self._rest
            raise RedisAway(str(error) or "redis did not answer in time") from error
        self._wire, self._is_away = wire, False
        return wire

    def _greetings(self) -> list[tuple[Any, ...]]:
        """AUTH and SELECT as the address asks for them, and a PING that proves it answers."""
        user, password = unquote(self._address.username or ""), unquote(self._address.password or "")
        auth = [("AUTH", user, password) if user else ("AUTH", password)] if password else []
        database = self._address.path.strip("/")
        return [*auth, *([("SELECT", database)] if database not in {"", "0"} else []), ("PING",)]


def is_refusal(reply: Any) -> bool:
    """Whether what was begun ended with an error of Redis', such as that it does not know the script yet."""
    return isinstance(reply, hiredis.ReplyError)


def _unwrapped(reply: Any) -> Any:
    if is_refusal(reply):
        raise RedisRefused(str(reply))
    return reply


def written(*parts: Any) -> bytes:
    """Parts of a command as they go over the wire (RESP). What many commands have in common is written once.

    Raises:
        TypeError: a part is neither bytes, text nor number.
    """
    command: bytes = hiredis.pack_command(parts)
    return command.partition(b"\r\n")[2]


# Those of calls are the same few again and again.
written_number = lru_cache(maxsize=16_384, typed=True)(written)


def written_bytes(part: bytes) -> bytes:
    """What `written` gives for one part that is bytes, for less."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


class Script:
    """A Lua script, sent whole once and by its digest from then on."""

    def __init__(self, source: str) -> None:
        digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self._by_digest = b"\r\n" + written("EVALSHA", digest)
        self._whole = b"\r\n" + written("EVAL", source)

    async def run(self, link: RedisLink, keys: Sequence[Any], arguments: Sequence[Any]) -> Any:
        """The script's result.

        Raises:
            RedisAway: there is no reply.
            RedisRefused: the script failed.
        """
        return await self.result(link, 1 + len(keys) + len(arguments), written(len(keys), *keys, *arguments))

    def begin(self, link: RedisLink, length: int, parts: bytes) -> "asyncio.Future[Any] | None":
        """Have it run, and wait for its result later; None where there is no connection yet.

        Args:
            length: how many parts follow: the number of keys, the keys, the arguments.
            parts: as `written` gives them.
        """
        return link.send(b"*%d%b%b" % (length + 2, self._by_digest, parts))

    async def result(
        self, link: RedisLink, length: int, parts: bytes, begun: "asyncio.Future[Any] | None" = None
    ) -> Any:
        """The result of a run that was begun, or that begins now. Raises as `run` does.

        Args:
            begun: what `begin` gave for the same parts.
        """
        if begun is None:
            begun = self.begin(link, length, parts)
        if begun is not None:
            reply = await begun
            if not isinstance(reply, hiredis.ReplyError):
                return reply
            if not str(reply).startswith("NOSCRIPT"):
                raise RedisRefused(str(reply))
        return _unwrapped(await link.ask(b"*%d%b%b" % (length + 2, self._whole, parts)))


class Owed:
    """Runs of scripts that nobody waits for, and that Redis must not be left without: what it was away for comes later.

    The first are kept: they are of the calls that were under way when it went, which it may have heard.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._left: dict[tuple[Script, tuple[str, ...], tuple[str, ...]], None] = {}

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[str]) -> None:
        """Have a script run now, or as soon as Redis is back."""
        run = (script, tuple(keys), tuple(arguments))
        if not await self._has_run(*run) and len(self._left) < _MOST_OWED:
            self._left[run] = None

    async def catch_up(self) -> None:
        """Have run what Redis was away for, as far as it is there."""
        for run in list(self._left):
            if not await self._has_run(*run):
                return
            del self._left[run]

    async def _has_run(self, script: Script, keys: Sequence[str], arguments: Sequence[str]) -> bool:
        try:
            await script.run(self._link, keys, arguments)
        except RedisAway:
            return False
        except RedisRefused as error:
            # What it would have ended ends by itself, later.
            _logger.info("redis refused a script", extra={"reason": str(error)})
        return True


class _Wire(asyncio.Protocol):
    """The protocol's side of the connection. One timer watches the oldest unanswered command."""

    def __init__(self, timeout_seconds: float) -> None:
        self.lost = False
        self.is_late = False
        self._timeout = timeout_seconds
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def ask(self, command: bytes) -> "asyncio.Future[Any]":
        """Send a command; its reply comes in turn."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        if self.lost or self._transport is None:
            answer.set_exception(RedisAway("the connection to redis is gone"))
            return answer
        self._waiting.append((self._loop.time() + self._timeout, answer))
        # What all requests ask in one turn of the loop goes out in one system call.
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(command)
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._check)
        return answer

    def close(self) -> None:
        """Give up the connection."""
        if self._transport is not None:
            self._transport.abort()
        self._fail("the connection was closed")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call when connected."""
        # uvloop's transports do not inherit asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Asyncio's call with bytes: match replies to commands, oldest first."""
        self._reader.feed(data)
        try:
            # RESP2 has no booleans: False means that no whole reply has come yet.
            while (reply := self._reader.gets()) is not False:
                _, answer = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(reply)
        except (hiredis.ProtocolError, IndexError):
            _logger.exception("redis sent what is no reply")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's call when the connection has ended."""
        self._fail(str(exc) if exc else "redis closed the connection")

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and not self.lost:
            self._transport.write(b"".join(unsent))

    def _check(self) -> None:
        self._watch = None
        if not self._waiting:
            return
        deadline = self._waiting[0][0]
        if deadline <= self._loop.time():
            # Replies come in order: when the oldest is late, none of them can be trusted to come.
            self.is_late = True
            self.close()
        else:
            self._watch = self._loop.call_at(deadline, self._check)

    def _fail(self, reason: str) -> None:
        self.lost = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._waiting:
            _, answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(RedisAway(reason))
