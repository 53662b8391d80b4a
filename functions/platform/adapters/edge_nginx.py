"""The embedded edge's record of tenants: a file that nginx reads again whenever it changes (docs/adr/0004)."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import orjson

from functions.platform.core.edge import EdgeTenant, coarse_limit

TENANTS_FILE = "tenants.json"
_TIMEOUT_SECONDS = 5.0


class NginxEdgeAdmin:
    """Port `EdgeAdmin` on nginx. It needs the folder alone: an edge that is down reads the file when it starts.

    Args:
        directory: the edge's folder, `DCODER_EDGE_DIR`.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / TENANTS_FILE
        self._wanted = b""
        self._writing = asyncio.Lock()

    async def sync(self, tenants: Sequence[EdgeTenant]) -> None:
        """Write the tenants where nginx looks; it follows within a quarter of a second.

        Calls that come while a write is under way share the next one.

        Raises:
            OSError: the folder is not there or not writable.
            TimeoutError: the disk did not answer.
        """
        self._wanted = _document(tenants)
        async with self._writing, asyncio.timeout(_TIMEOUT_SECONDS):
            await asyncio.to_thread(_replace, self._file, self._wanted)


def _document(tenants: Sequence[EdgeTenant]) -> bytes:
    entries = [
        {
            "id": tenant.id,
            "plan": tenant.plan,
            "status": tenant.status,
            "keys": sorted(tenant.key_hashes),
            "revoked": sorted(tenant.revoked_hashes),
            "perMinute": _per_minute(tenant),
        }
        for tenant in sorted(tenants, key=lambda tenant: tenant.id)
    ]
    return orjson.dumps({"tenants": entries})


def _per_minute(tenant: EdgeTenant) -> int | None:
    return None if tenant.requests_per_minute is None else coarse_limit(tenant.requests_per_minute)


def _replace(file: Path, content: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        if file.read_bytes() == content:
            return
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as temporary:
            temporary.write(content)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
