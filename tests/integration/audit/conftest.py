"""The running platform's audit trail: its settings, the database's owner, and chains of a test's own."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from functions.kit.audit import canonical
from functions.kit.clock import rfc3339, utc_now
from functions.kit.database import APPEND_AUDIT
from functions.kit.identifiers import new_id
from functions.kit.settings import Settings
from tests.platform import Platform

RECORDS = 12


@pytest.fixture(scope="session")
def settings(platform: Platform) -> Settings:
    """What the platform's functions run with."""
    known = platform.status["credentials"]
    return Settings.model_validate(
        {
            "database_url": known["postgresUrl"],
            "s3_endpoint": known["s3Endpoint"],
            "s3_access_key": known["s3AccessKey"],
            "s3_secret_key": known["s3SecretKey"],
            "nats_url": known["natsUrl"],
            "redis_url": known["redisUrl"],
            "kek_file": Path(platform.home) / "kek.json",
            "audit_keys_file": Path(platform.home) / "audit-keys.json",
        }
    )


@pytest.fixture
async def owner(platform: Platform) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A superuser in the platform database: whom no grant and no trigger stops."""
    url = str(platform.status["credentials"]["postgresAdminUrl"]).rpartition("/")[0]
    opened = await asyncpg.connect(f"{url}/platform")
    yield opened
    await opened.close()


@pytest.fixture
async def chain(owner: "asyncpg.Connection[asyncpg.Record]") -> str:
    """A chain of twelve records."""
    name = str(uuid.uuid4())
    await grow(owner, name, RECORDS)
    return name


async def grow(session: "asyncpg.Connection[asyncpg.Record]", chain: str, count: int) -> None:
    for number in range(count):
        await session.execute(APPEND_AUDIT, chain, canonical(record(number=number)))


def record(**more: Any) -> dict[str, Any]:
    return {
        "v": 1, "id": new_id(), "time": rfc3339(utc_now()), "actor": {"kind": "user", "subject": "somebody"},
        "action": "providers:write", "resource": "/v1/somewhere", "outcome": "success", "status": 200,
        "requestId": "request", **more,
    }  # fmt: skip
