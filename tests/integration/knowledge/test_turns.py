"""Tenants' documents take turns."""

import pytest

from scenarios.load import documents as files
from tests.integration.knowledge.conftest import NewLibrary

pytestmark = pytest.mark.integration


async def test_many_documents_of_one_tenant_do_not_hold_back_another_tenants_one(new_library: NewLibrary) -> None:
    crowd, guest = await new_library(), await new_library()
    corpus = await crowd.corpus()
    given = [{"name": f"{number}.txt", "content": f"Note {number}. {files.SENTENCE}"} for number in range(200)]
    job = await crowd.made("/v1/ingestion-jobs", {"corpusId": corpus["id"], "documents": given})
    one = await guest.add(await guest.corpus(), "one.txt", files.SENTENCE)
    assert (await guest.settled(one))["status"] == "indexed"
    counts = (await crowd.get(f"/v1/ingestion-jobs/{job['id']}"))["counts"]
    # In the order of their events it would have been one of the last.
    assert counts.get("indexed", 0) < 150, counts
    assert (await crowd("POST", f"/v1/ingestion-jobs/{job['id']}/cancel")).status == 200
