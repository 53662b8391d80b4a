"""Has documents read and cut by children of a nursery process: so many at once, each within its limits."""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from functions.kit.errors import DependencyUnavailable
from functions.knowledge.adapters.parsing.places import Places
from functions.knowledge.core.models import ChunkSettings
from functions.knowledge.core.reasons import CannotIngest, Reason

_START_SECONDS = 120.0
_STOP_SECONDS = 5.0
_SLOW_SECONDS = 10.0
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")
# Libraries that calculate start threads of their own, which a fork would not take along; and some report home.
_QUIET = {
    "OMP_NUM_THREADS": "1",
    "OMP_THREAD_LIMIT": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
}

_logger = logging.getLogger("dcoder.ingestion")


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one document may take.

    Attributes:
        seconds: by the clock, and of a processor.
        memory_bytes: beyond what the parsers themselves need.
        text_bytes: of the text that comes out, and of each file that is made on the way.
        unpacked_bytes: of what an archive format (docx, xlsx, epub …) holds.
    """

    seconds: float = 300.0
    memory_bytes: int = 1 << 30
    text_bytes: int = 64 << 20
    unpacked_bytes: int = 512 << 20


class ParserPool:
    """Port `Parser`. The nursery starts with the first task, or when it is warmed, and again when it died.

    Args:
        workers: most tasks at once.
        slow_seconds: after which a task is no longer counted among them, as `Places` has it.
    """

    def __init__(self, workers: int, limits: ParseLimits, slow_seconds: float = _SLOW_SECONDS) -> None:
        self._places = Places(workers, slow_seconds)
        self._limits = limits
        self._starting = asyncio.Lock()
        self._nursery: _Nursery | None = None
        self._last = 0

    async def warm(self) -> None:
        """Start the nursery, so that the first document does not wait for it."""
        with suppress(DependencyUnavailable):
            await self._ready()

    async def close(self) -> None:
        """End the nursery and what it does."""
        if self._nursery:
            await self._nursery.stop()

    async def parse(self, folder: Path, name: str, media_type: str, settings: ChunkSettings, *, tenant_id: str) -> None:
        """Read `original` in the folder into `text` and `blocks`, and cut these into `chunks` in the same process.

        A picture becomes `picture.jpg` besides, and is not cut: a model may yet describe it.

        Raises:
            CannotIngest: the document is not one that can be read, or takes more than it may.
            DependencyUnavailable: the parsers cannot be started.
        """
        asked = {"kind": "parse", "name": name, "mediaType": media_type, **asdict(settings)}
        await self._perform(tenant_id, folder, asked)

    async def cut(self, folder: Path, settings: ChunkSettings, *, tenant_id: str) -> None:
        """Cut `text` and `blocks` in the folder into `chunks`.

        Raises:
            CannotIngest: the document takes more than it may.
            DependencyUnavailable: the parsers cannot be started.
        """
        await self._perform(tenant_id, folder, {"kind": "cut", **asdict(settings)})

    async def _perform(self, tenant_id: str, folder: Path, asked: dict[str, Any]) -> None:
        limits = self._limits
        async with self._places.place(tenant_id):
            nursery = await self._ready()
            self._last += 1
            task = {
                **asked,
                "id": self._last,
                "folder": str(folder),
                "textBytes": limits.text_bytes,
                "unpackedBytes": limits.unpacked_bytes,
                "limits": {
                    "memory": limits.memory_bytes,
                    "cpu": max(1, round(limits.seconds)),
                    "file": max(limits.text_bytes * 4, 1 << 20),
                },
            }
            ended = await nursery.perform(task, limits.seconds)
        self._judge(folder, ended)

    def _judge(self, folder: Path, ended: int | None) -> None:
        """Tell what a child that ended found out; None for one that took too long."""
        if ended is None or ended == signal.SIGXCPU:
            raise CannotIngest(Reason.TIMEOUT, f"reading it takes longer than {self._limits.seconds:g} s")
        if ended == signal.SIGKILL:
            raise CannotIngest(Reason.OUT_OF_MEMORY, "reading it took more memory than there is")
        outcome = folder / "outcome.json"
        if ended or not outcome.exists():
            raise CannotIngest(Reason.CORRUPT, "reading it broke the parser")
        told = json.loads(outcome.read_text())
        outcome.unlink()
        if "away" in told:
            raise DependencyUnavailable(told["away"], details={"dependency": "parsers"})
        if "reason" in told:
            raise CannotIngest(Reason(told["reason"]), told["detail"])

    async def _ready(self) -> "_Nursery":
        async with self._starting:
            if self._nursery and not self._nursery.alive:
                await self._nursery.stop()
                self._nursery = None
            if self._nursery is None:
                self._nursery = await _Nursery.start()
            return self._nursery


class _Nursery:
    """The nursery process, as seen from here."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._listening: asyncio.Task[None] | None = None
        self.alive = True

    @classmethod
    async def start(cls) -> "_Nursery":
        """Start it and wait until it has imported everything."""
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | _QUIET
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "functions.knowledge.adapters.parsing.nursery", str(theirs.fileno()),
                pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        reader, writer = await asyncio.open_connection(sock=ours)
        nursery = cls(process, reader, writer)
        try:
            async with asyncio.timeout(_START_SECONDS):
                if not await reader.readline():
                    raise DependencyUnavailable("the parsers do not start", details={"dependency": "parsers"})
        except BaseException:
            await nursery.stop()
            raise
        nursery._listening = asyncio.create_task(nursery._listen(), name="parser nursery")
        return nursery

    async def perform(self, task: dict[str, Any], seconds: float) -> int | None:
        """Have a task done; returns the signal that ended its process (0 for none), or None when it took too long."""
        ended = asyncio.get_running_loop().create_future()
        self._waiting[task["id"]] = ended
        try:
            await self._send(task)
            done, _ = await asyncio.wait({ended}, timeout=seconds)
            if done:
                return int(ended.result())
            await self._send({"kill": task["id"]})
            await ended
        except asyncio.CancelledError:
            with suppress(OSError):
                await self._send({"kill": task["id"]})
            raise
        else:
            return None
        finally:
            self._waiting.pop(task["id"], None)

    async def stop(self) -> None:
        """Close the socket, which ends it, and see to it that it has ended."""
        self.alive = False
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._listening:
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")
        await self._writer.drain()

    async def _listen(self) -> None:
        while line := await self._reader.readline():
            told = json.loads(line)
            if (waiting := self._waiting.get(told["id"])) and not waiting.done():
                waiting.set_result(told["signal"])
        self.alive = False
        lost = DependencyUnavailable("the parsers were lost", details={"dependency": "parsers"})
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(lost)
        await self._process.wait()
