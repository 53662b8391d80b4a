"""Records on disk until what they are for is back: appended with fsync, replayed in order, deleted when done."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

_logger = logging.getLogger(__name__)
_CHECK_SECONDS = 1.0
_LONG_BYTES = 64 * 1024 * 1024


class Spool:
    """One file a process, in a folder that outlives it; a later process adopts what an earlier one left.

    Args:
        folder: on a disk that outlives the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / f"usage-{os.getpid()}.ndjson"
        self._lock = asyncio.Lock()
        self._bytes = 0

    @property
    def is_long(self) -> bool:
        """Whether so much waits that only what must not be lost should be added."""
        return self._bytes > _LONG_BYTES

    async def append(self, line: bytes) -> None:
        """Keep a line; it is on the disk when this returns."""
        async with self._lock:
            self._bytes = await asyncio.to_thread(_append, self._file, line)

    async def replay_for_ever(self, replay: Callable[[bytes], Awaitable[None]]) -> None:
        """Offer what is kept to `replay` again and again until it takes it. Runs until cancelled."""
        while True:
            try:
                await self.replay_once(replay)
            except Exception as error:  # noqa: BLE001 - tried again in a second, for ever
                _logger.debug("the spool waits", extra={"reason": str(error)})
            await asyncio.sleep(_CHECK_SECONDS)

    async def replay_once(self, replay: Callable[[bytes], Awaitable[None]]) -> int:
        """Offer every kept line once.

        Returns:
            how many lines were taken.

        Raises:
            Exception: what `replay` raised; the lines from there on are kept.
        """
        taken = 0
        for path in await asyncio.to_thread(self._abandoned):
            taken += await self._replay_file(path, replay)
        if self._file.exists():
            async with self._lock:
                taken += await self._replay_file(self._file, replay)
                self._bytes = 0
        return taken

    def _abandoned(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return [path for path in sorted(self._folder.glob("usage-*.ndjson")) if not _is_running(path)]

    async def _replay_file(self, path: Path, replay: Callable[[bytes], Awaitable[None]]) -> int:
        lines = (await asyncio.to_thread(path.read_bytes)).splitlines()
        for taken, line in enumerate(lines):
            try:
                await replay(line)
            except ValueError:
                # A line torn by a power cut cannot be counted, only shown.
                _logger.exception("a spooled record cannot be read", extra={"line": line.decode(errors="replace")})
            except BaseException:
                await asyncio.to_thread(_rewrite, path, lines[taken:])
                raise
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return len(lines)


def _append(path: Path, line: bytes) -> int:
    """Returns the file's size afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _rewrite(path: Path, lines: list[bytes]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(b"".join(line + b"\n" for line in lines))
    temporary.replace(path)


def _is_running(path: Path) -> bool:
    pid = int(path.stem.rpartition("-")[2])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
