"""Records on disk until what they are for is back: appended with fsync, replayed in order, deleted when done."""

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from functions.kit.identifiers import new_id

_logger = logging.getLogger(__name__)
_CHECK_SECONDS = 1.0
_LONG_BYTES = 64 * 1024 * 1024
# Holds what no `replay` can read, for a person to look at.
UNREADABLE = "unreadable.ndjson"


class Spool:
    """One file a process, locked for as long as it lives, in a folder that outlives it.

    A process adopts the files that nobody has a lock on: their processes are dead, wherever they ran.

    Args:
        folder: on a disk that outlives the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = asyncio.Lock()
        self._file: _Kept | None = None
        self._bytes = 0

    @property
    def is_long(self) -> bool:
        """Whether so much waits that only what must not be lost should be added."""
        return self._bytes > _LONG_BYTES

    async def append(self, line: bytes) -> None:
        """Keep a line; it is on the disk when this returns.

        Raises:
            OSError: it cannot be kept; nothing of it is.
        """
        async with self._lock:
            await asyncio.to_thread(self._append, line)
            self._bytes += len(line)

    async def replay_for_ever(self, replay: Callable[[bytes], Awaitable[None]]) -> None:
        """Offer what is kept to `replay` again and again until it takes it. Runs until cancelled."""
        while True:
            await self._is_taken(replay)
            await asyncio.sleep(_CHECK_SECONDS)

    async def finish(self, replay: Callable[[bytes], Awaitable[None]], seconds: float) -> None:
        """Offer what is left for so long at most: the folder may go with the process."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if await self._is_taken(replay):
                        return
                    await asyncio.sleep(_CHECK_SECONDS)
        except TimeoutError:
            _logger.warning("usage is left in the spool", extra={"folder": str(self._folder)})
        finally:
            self.close()

    async def _is_taken(self, replay: Callable[[bytes], Awaitable[None]]) -> bool:
        try:
            await self.replay_once(replay)
        except Exception as error:  # noqa: BLE001 - tried again in a second
            _logger.debug("the spool waits", extra={"reason": str(error)})
            return False
        return True

    async def replay_once(self, replay: Callable[[bytes], Awaitable[None]]) -> int:
        """Offer every kept line once.

        Returns:
            how many lines were taken.

        Raises:
            Exception: what `replay` raised; the lines from there on are kept.
        """
        taken = 0
        for path in await asyncio.to_thread(self._waiting):
            if (kept := await asyncio.to_thread(_Kept.adopted, path)) is not None:
                taken += await self._replay_file(kept, replay)
        # What is appended from here on goes to another file: nobody waits for the replay.
        async with self._lock:
            own, self._file = self._file, None
        return taken if own is None else taken + await self._replay_file(own, replay)

    def close(self) -> None:
        """Let others replay what is left."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _waiting(self) -> list[Path]:
        """All files but the one that is appended to."""
        found = sorted(self._folder.glob("usage-*.ndjson"))
        self._bytes = sum(map(_size, found))
        return [path for path in found if self._file is None or path != self._file.path]

    def _append(self, line: bytes) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = _Kept.new(self._folder)
        self._file.append(line)

    async def _replay_file(self, kept: "_Kept", replay: Callable[[bytes], Awaitable[None]]) -> int:
        try:
            lines = (await asyncio.to_thread(kept.path.read_bytes)).splitlines()
            for taken, line in enumerate(lines):
                try:
                    await self._replay_line(line, replay)
                except BaseException:
                    if taken:
                        await asyncio.to_thread(kept.replace, lines[taken:])
                    raise
            await asyncio.to_thread(kept.path.unlink, missing_ok=True)
        finally:
            kept.close()
        return len(lines)

    async def _replay_line(self, line: bytes, replay: Callable[[bytes], Awaitable[None]]) -> None:
        try:
            await replay(line)
        except ValueError:
            # A line torn by a power cut cannot be counted, only shown.
            _logger.exception("a spooled record cannot be read", extra={"line": line.decode(errors="replace")})
            await asyncio.to_thread(_set_aside, self._folder / UNREADABLE, line)


class _Kept:
    """A file of lines with the lock on it. A lock ends with its process, however that ends (flock(2))."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def new(cls, folder: Path) -> "_Kept":
        while True:
            path = folder / f"usage-{new_id()}.ndjson"
            kept = cls._locked(path, os.O_CREAT | os.O_EXCL)
            _sync(folder)
            # Another process may have taken the file for a dead one's before it was locked.
            if kept is not None:
                return kept

    @classmethod
    def adopted(cls, path: Path) -> "_Kept | None":
        """A dead process's file; None where its process lives, or another one was faster."""
        try:
            return cls._locked(path, 0)
        except FileNotFoundError:
            return None

    @classmethod
    def _locked(cls, path: Path, flags: int) -> "_Kept | None":
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(descriptor), path.stat())
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        except BaseException:
            os.close(descriptor)
            raise
        if not is_ours:
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def append(self, line: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        try:
            _write(self._descriptor, line + b"\n")
        except OSError:
            # A line's beginning would spoil the next one.
            os.ftruncate(self._descriptor, size)
            raise

    def replace(self, lines: list[bytes]) -> None:
        """Keep these alone. Where that fails all are, which does no harm: what is replayed twice counts once."""
        temporary = self.path.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(descriptor, b"".join(line + b"\n" for line in lines))
        finally:
            os.close(descriptor)
        temporary.replace(self.path)

    def close(self) -> None:
        """Let go of the lock, and so of the file where it still is there."""
        os.close(self._descriptor)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        # Another process has just replayed it.
        return 0


def _sync(folder: Path) -> None:
    """Have the folder's list of files on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _set_aside(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        _write(descriptor, line + b"\n")
    finally:
        os.close(descriptor)
