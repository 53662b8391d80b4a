"""One deployment at a time: a file that the kernel lets go of with the process, whatever ends it."""

import fcntl
import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


class Locked(Exception):
    """Somebody else deploys; the message says who, and since when."""


@contextmanager
def deployment_lock(stack: str, folder: Path) -> Iterator[None]:
    """Hold the stack for the block.

    It is this checkout's alone: from elsewhere Pulumi's own lock of the state keeps two deployments from changing it at
    the same moment, and names who holds it.

    Args:
        folder: where lock files are.

    Raises:
        Locked: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"deploy-{stack}.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Locked(
                f"{stack} is being deployed by {file.read().strip() or 'somebody who has just begun'}"
            ) from None
        file.truncate(0)
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}, since {now} UTC\n")
        file.flush()
        yield
