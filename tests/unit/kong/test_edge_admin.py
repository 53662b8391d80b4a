import asyncio
import json
from pathlib import Path

import pytest

from functions.platform.adapters.edge_nginx import TENANTS_FILE, NginxEdgeAdmin
from functions.platform.core.edge import EdgeAdmin, EdgeTenant

ACME = EdgeTenant("t1", "acme", "standard", "active", ("b" * 64, "a" * 64), ("c" * 64,))
ZETA = EdgeTenant("t2", "zeta", "enterprise", "suspended", requests_per_minute=60)


def written(folder: Path) -> object:
    return json.loads((folder / TENANTS_FILE).read_text())


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_writes_what_the_edge_reads(tmp_path: Path) -> None:
    admin: EdgeAdmin = NginxEdgeAdmin(tmp_path)
    await admin.sync([ZETA, ACME])
    assert written(tmp_path) == {
        "tenants": [
            {
                "id": "t1",
                "plan": "standard",
                "status": "active",
                "keys": ["a" * 64, "b" * 64],
                "revoked": ["c" * 64],
                "perMinute": None,
            },
            {"id": "t2", "plan": "enterprise", "status": "suspended", "keys": [], "revoked": [], "perMinute": 72},
        ]
    }


async def test_unchanged_tenants_leave_the_file_alone(tmp_path: Path) -> None:
    admin = NginxEdgeAdmin(tmp_path)
    await admin.sync([ACME, ZETA])
    before = (tmp_path / TENANTS_FILE).stat()
    await admin.sync([ZETA, ACME])
    after = (tmp_path / TENANTS_FILE).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_burst_ends_with_the_latest(tmp_path: Path) -> None:
    admin = NginxEdgeAdmin(tmp_path)
    many = [[EdgeTenant(f"t{n}", f"s{n}", "free", "active") for n in range(count)] for count in range(50)]
    await asyncio.gather(*(admin.sync(tenants) for tenants in many))
    document = json.loads((tmp_path / TENANTS_FILE).read_text())
    assert len(document["tenants"]) == 49
    assert files(tmp_path) == [TENANTS_FILE]


async def test_key_hashes_are_nobody_elses_business(tmp_path: Path) -> None:
    await NginxEdgeAdmin(tmp_path).sync([ACME])
    assert (tmp_path / TENANTS_FILE).stat().st_mode & 0o077 == 0


async def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await NginxEdgeAdmin(tmp_path / "nowhere").sync([ACME])
