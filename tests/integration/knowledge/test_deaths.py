"""A process that is killed between any two steps loses nothing and doubles nothing."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from local.embedded.stack import Stack
from local.paths import Home
from tests.integration.knowledge.conftest import MODEL, Library
from tests.platform import Platform

pytestmark = pytest.mark.integration

_EVENTS = """
    SELECT payload->'data'->>'documentId' AS document, count(*) AS times FROM outbox
    WHERE subject = 'document.indexed' GROUP BY 1
"""
_CHUNKS = """
    SELECT document_id::text AS document, count(*) AS chunks, count(DISTINCT ordinal) AS ordinals FROM chunks GROUP BY 1
"""
_STATES = "SELECT document_id::text AS document, status, chunks FROM ingestions"


def killed(home: str, tenant_id: str, corpus_id: str) -> dict[str, Any]:
    program = Stack.existing(Home(Path(home))).program()
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.knowledge.dying", tenant_id, corpus_id],
        env=dict(program.environment), capture_output=True, text=True, check=False, timeout=110,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


async def test_kill_at_every_commit(platform: Platform, library: Library) -> None:
    settings = {"embeddingModel": MODEL, "chunking": {"maxTokens": 32, "overlapTokens": 0}}
    corpus = await library.corpus(settings=settings)
    told = await asyncio.to_thread(killed, platform.home, library.tenant.id, corpus["id"])
    deaths = told["deaths"]
    # Taken, three stages noted, embeddings looked for and kept, the fourth stage noted, indexed, looked again.
    assert told["commits"] >= 8
    assert len(deaths) == 2 * told["commits"]
    assert set(deaths.values()) == {9}
    assert told["failed"] == 0
    url = platform.status["credentials"]["postgresAdminUrl"].rpartition("/")[0]
    database = await asyncpg.connect(f"{url}/{library.tenant.database}")
    try:
        states = {row["document"]: (row["status"], row["chunks"]) for row in await database.fetch(_STATES)}
        chunks = {row["document"]: (row["chunks"], row["ordinals"]) for row in await database.fetch(_CHUNKS)}
        events = {row["document"]: row["times"] for row in await database.fetch(_EVENTS)}
    finally:
        await database.close()
    for document in deaths:
        assert states[document] == ("indexed", 3)
        assert chunks[document] == (3, 3)
        assert events[document] == 1
