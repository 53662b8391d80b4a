"""What ingestion needs goes away while it works: documents wait and say for what, and nothing is lost."""

import os
import signal
from typing import Any

import asyncpg
import pytest

from scenarios.load import documents as files
from tests.integration.knowledge.conftest import MODEL, PATIENCE, Library
from tests.platform import Api, Platform, eventually

pytestmark = pytest.mark.integration

_WAITS = "SELECT EXISTS (SELECT FROM ingestions WHERE status = 'waiting' AND detail LIKE '%tenant_suspended%')"


async def begun(library: Library, count: int, **settings: str) -> dict[str, Any]:
    """A job of many documents, of which some are done and most are not."""
    corpus = await library.corpus(settings=settings)
    given = [{"name": f"{number}.txt", "content": f"Note {number}. {files.SENTENCE}"} for number in range(count)]
    job = await library.made("/v1/ingestion-jobs", {"corpusId": corpus["id"], "documents": given})

    async def some() -> bool:
        return bool((await library.get(f"/v1/ingestion-jobs/{job['id']}"))["counts"].get("indexed"))

    assert await eventually(some, PATIENCE)
    return job


async def test_documents_wait_for_an_object_store_that_was_killed(library: Library, platform: Platform) -> None:
    job = await begun(library, 60)
    os.kill(platform.pid("s3"), signal.SIGKILL)
    over = await library.job_over(job["id"])
    assert over["counts"] == {"indexed": 60}


async def test_documents_wait_while_their_tenant_is_suspended(
    library: Library, platform: Platform, operator: Api
) -> None:
    job = await begun(library, 24, embeddingModel=MODEL)
    path = f"/v1/tenants/{library.tenant.id}"
    assert (await operator.call("PATCH", path, {"status": "suspended"})).status == 200
    url = platform.status["credentials"]["postgresAdminUrl"].rpartition("/")[0]
    database = await asyncpg.connect(f"{url}/{library.tenant.database}")

    async def waits() -> bool:
        return bool(await database.fetchval(_WAITS))

    try:
        assert await eventually(waits, PATIENCE)
    finally:
        await database.close()
        assert (await operator.call("PATCH", path, {"status": "active"})).status == 200
    # Refusals are known for some seconds.
    over = await eventually(lambda: _over(library, job["id"]), PATIENCE)
    assert over["counts"] == {"indexed": 24}


async def _over(library: Library, job_id: str) -> dict[str, Any]:
    """The job once it is over and may be read again."""
    reply = await library("GET", f"/v1/ingestion-jobs/{job_id}")
    return dict(reply.body) if reply.body.get("status") == "completed" else {}
