"""The folder in which a process of ingestion works; what a killed one has left goes when the next one starts.

The folder is locked (flock(2)) as long as its process lives, however that ends: whoever gets the lock of another's
folder knows that nobody works there any more.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "dcoder-ingestion-"


@contextmanager
def workshop(parent: Path | None = None) -> Iterator[Path]:
    """A folder of this process's own, removed with all that is in it at the end.

    Args:
        parent: where it is made, and others' are looked for; the folder for temporary files when absent.
    """
    parent = parent or Path(tempfile.gettempdir())
    for left in parent.glob(f"{PREFIX}*"):
        _clear(left)
    folder, lock = _own(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _own(parent: Path) -> tuple[Path, int]:
    """A new folder and its lock; another one when somebody has cleared it before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.is_dir():
                return folder, lock
            os.close(lock)


def _clear(folder: Path) -> None:
    """Remove a folder that nobody holds."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        # Another user's, or cleared by somebody else.
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)
