"""Work that would keep a processor busy, done by processes of one's own: the event loop goes on serving meanwhile.

A worker is `python -m functions.kit.offload module:function`; the function takes bytes and gives bytes. Requests and
answers travel over its pipes, a length in front of each. A thread would not do: the interpreter runs one at a time,
and nothing can end a thread that an evil text has sent round in circles.
"""

import asyncio
import importlib
import logging
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

from functions.kit.errors import DependencyUnavailable

_LENGTH = struct.Struct(">I")
_DONE, _FAILED = b"\0", b"\1"
_STARTING_SECONDS = 30.0
_logger = logging.getLogger(__name__)


class Unfinished(DependencyUnavailable):
    """The work was not done: it took too long, too much of it waits, or its process died of it."""


class Offload:
    """A few worker processes, started when they are first needed and again when one has died.

    Args:
        target: `module:function`, the function taking and giving bytes.
        workers: most processes.
        seconds: longest time for one piece of work; its process is killed when it takes longer.
        waiting: most pieces of work that wait for a process; more are refused at once. None for any number.
    """

    def __init__(self, target: str, *, workers: int = 1, seconds: float, waiting: int | None = None) -> None:
        self._target = target
        self._seconds = seconds
        self._most = float("inf") if waiting is None else workers + waiting
        self._idle: list[_Worker] = []
        self._turn = asyncio.Semaphore(workers)
        self._under_way = 0
        self._closed = False

    async def run(self, work: bytes) -> bytes:
        """What the function makes of `work`.

        Raises:
            Unfinished: it is not known.
        """
        if self._closed or self._under_way >= self._most:
            raise Unfinished("too much work waits already")
        self._under_way += 1
        try:
            async with self._turn:
                return await self._with_worker(work)
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """End the processes."""
        self._closed = True
        while self._idle:
            await self._idle.pop().kill()

    async def _with_worker(self, work: bytes) -> bytes:
        worker = self._idle.pop() if self._idle else await _Worker.start(self._target, self._seconds)
        try:
            async with asyncio.timeout(self._seconds):
                answer = await worker.ask(work)
        except BaseException as error:
            # Whoever asked next would be told the answer to this.
            await worker.kill()
            if isinstance(error, TimeoutError | OSError | EOFError):
                raise Unfinished("the work took too long or its process died") from error
            raise
        if self._closed:
            await worker.kill()
        else:
            self._idle.append(worker)
        if answer[:1] == _FAILED:
            raise Unfinished(f"the work failed: {answer[1:].decode(errors='replace')}")
        return answer[1:]


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, target: str, seconds: float) -> "_Worker":
        try:
            async with asyncio.timeout(_STARTING_SECONDS):
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", __name__, target, str(seconds),
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
                )  # fmt: skip
                worker = cls(process)
                try:
                    # Its first word says that everything is imported, which the time of the work does not pay for.
                    await worker._hear()
                except BaseException:
                    await worker.kill()
                    raise
                return worker
        except (TimeoutError, OSError, EOFError) as error:
            raise Unfinished("no process for the work could be started") from error

    async def ask(self, work: bytes) -> bytes:
        """Send work and hear what comes of it."""
        stdin = self._process.stdin
        if stdin is None:
            raise EOFError
        stdin.write(_LENGTH.pack(len(work)) + work)
        await stdin.drain()
        return await self._hear()

    async def kill(self) -> None:
        """End the process, whatever it is at."""
        with suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    async def _hear(self) -> bytes:
        stdout = self._process.stdout
        if stdout is None:
            raise EOFError
        (length,) = _LENGTH.unpack(await stdout.readexactly(_LENGTH.size))
        return await stdout.readexactly(length)


def main() -> None:
    """Serve work from standard input until it ends, which it does when whoever started this is gone."""
    target, seconds = sys.argv[1], float(sys.argv[2])
    module, _, name = target.partition(":")
    function: Callable[[bytes], bytes] = getattr(importlib.import_module(module), name)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    # What the function prints must not be taken for an answer.
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(answer: bytes) -> None:
        sink.write(_LENGTH.pack(len(answer)) + answer)
        sink.flush()

    say(_DONE)
    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        work = source.read(_LENGTH.unpack(head)[0])
        # The alarm's default ends the process in the midst of anything, should nobody be left to kill it.
        signal.setitimer(signal.ITIMER_REAL, seconds + 1)
        try:
            answer = _DONE + function(work)
        except Exception as error:  # noqa: BLE001 - told to whoever asked, without its message: that may quote the text
            answer = _FAILED + type(error).__name__.encode()
        signal.setitimer(signal.ITIMER_REAL, 0)
        say(answer)


if __name__ == "__main__":
    main()
