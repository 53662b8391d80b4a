"""A platform of a scenario's own, what its processes take, and libraries in processes beside it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from scenarios.platform import DCODER, ScenarioError


@contextmanager
def own_platform() -> Iterator[dict[str, Any]]:
    """Its status, and under `token` the operator's token; nothing is left of it afterwards."""
    home = tempfile.mkdtemp(prefix="dcoder-bench-")
    environment = {**os.environ, "DCODER_HOME": home}

    def dcoder(*arguments: str) -> str:
        done = subprocess.run([DCODER, *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ScenarioError(f"dcoder {' '.join(arguments)}: {done.stderr[-500:]}")
        return done.stdout.strip()

    try:
        dcoder("up", "--detach")
        yield {**json.loads(dcoder("status", "--json")), "token": dcoder("token", "--role", "superadmin")}
    finally:
        dcoder("down")
        shutil.rmtree(home, ignore_errors=True)


@asynccontextmanager
async def megabytes(pid: int, every: float = 0.2) -> AsyncIterator[list[float]]:
    """What a process and its children have for themselves, looked at again and again within the block.

    Args:
        every: seconds; a look walks all their memory, which takes many milliseconds of a processor.
    """
    seen = [_family(pid)]

    async def look() -> None:
        while True:
            await asyncio.sleep(every)
            seen.append(await asyncio.to_thread(_family, pid))

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


def _family(pid: int) -> float:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return sum(_share(each) for each in (process, *process.children(recursive=True))) / 2**20
    return 0.0


def _share(process: psutil.Process) -> int:
    """Bytes in memory that are the process's share: what forks have in common is counted once."""
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0


def plain(folder: Path, processes: int) -> dict[str, Any]:
    """What `plain_ingestion.py` tells of the files of a folder."""
    command = [sys.executable, "-m", "scenarios.load.plain_ingestion", str(folder), str(processes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ScenarioError(f"the plain libraries failed: {done.stderr[-500:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
