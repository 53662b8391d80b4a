"""Other settings are another index, switched to when it is whole; jobs tell how far it is."""

from typing import Any

import pytest

from scenarios.load import documents as files
from tests.integration.knowledge.conftest import MODEL, PATIENCE, Library
from tests.platform import eventually

pytestmark = pytest.mark.integration


async def test_an_index_is_built_beside_the_active_one_and_takes_its_place(library: Library) -> None:
    corpus = await library.corpus()
    group = await library.group("Keepers")
    documents = [
        await library.add(corpus, f"{number}.txt", f"Note {number}. {files.SENTENCE}", groups=[group])
        for number in range(3)
    ]
    for document in documents:
        await library.settled(document)
    settings = {"embeddingModel": MODEL, "chunking": {"strategy": "sentence", "maxTokens": 64, "overlapTokens": 0}}
    index = await library.made("/v1/indexes", {"corpusId": corpus["id"], "settings": settings})
    assert (index["status"], index["settings"]["chunking"]["strategy"]) == ("building", "sentence")
    # What is added meanwhile goes into both.
    later = await library.add(corpus, "later.txt", f"Later. {files.SENTENCE}")
    job = await library.job_over(index["jobId"])
    assert (job["kind"], job["status"], job["counts"]) == ("reindex", "completed", {"indexed": 3})
    await library.settled(later)

    async def switched() -> bool:
        return bool((await library.get(f"/v1/corpora/{corpus['id']}"))["activeIndexId"] == index["id"])

    await eventually(switched, PATIENCE)
    now = await library.get(f"/v1/indexes/{index['id']}")
    assert (now["status"], now["chunks"], now["dimensions"]) == ("active", 4, 384)
    assert (await library.get(f"/v1/documents/{documents[0]['id']}"))["groups"] == [group]
    assert (await library("DELETE", f"/v1/indexes/{index['id']}")).code == "index_in_use"
    former = f"/v1/indexes/{corpus['activeIndexId']}"
    assert (await library.get(former))["status"] == "retired"
    assert (await library("DELETE", former)).status == 204
    assert (await library("GET", former)).status == 404


async def test_an_index_that_lacks_what_the_active_one_has_is_not_switched_to(library: Library) -> None:
    corpus = await library.corpus()
    await library.settled(await library.add(corpus, "a.txt", files.SENTENCE))
    wrong = {"corpusId": corpus["id"], "settings": {"embeddingModel": "openai/no-such-model", "distance": "l2"}}
    index = await library.made("/v1/indexes", wrong)
    job = await library.job_over(index["jobId"])
    assert job["counts"] == {"failed": 1}
    item = (await library.get(f"/v1/ingestion-jobs/{job['id']}/documents?status=failed"))["items"][0]
    assert (item["name"], item["reason"]) == ("a.txt", "model_refused")
    assert (await library.get(f"/v1/corpora/{corpus['id']}"))["activeIndexId"] == corpus["activeIndexId"]
    assert (await library("DELETE", f"/v1/indexes/{index['id']}")).status == 204


async def test_a_job_is_followed_to_its_end_and_names_every_failure(library: Library) -> None:
    corpus = await library.corpus()
    given = [{"name": f"{number}.txt", "content": f"Note {number}. {files.SENTENCE}"} for number in range(3)]
    job = await library.made("/v1/ingestion-jobs", {"corpusId": corpus["id"], "documents": given})
    assert (job["status"], job["total"]) == ("running", 3)
    await library.upload(corpus, "b.docx", files.docx()[:2000], jobId=job["id"])
    path = f"{library.api.base}/v1/ingestion-jobs/{job['id']}"
    headers = {"authorization": f"Bearer {library.api.credential}"}
    async with library.api.session.get(f"{path}/events", headers=headers) as stream:
        assert stream.content_type == "text/event-stream"
        told = (await stream.text()).split("\n\n")
    assert told[0].startswith("event: progress\n")
    assert '"counts":{"failed":1,"indexed":3}' in told[-2]
    assert told[-2].startswith("event: end\n")
    first = await library.get(f"/v1/ingestion-jobs/{job['id']}/documents?limit=3")
    rest = await library.get(f"/v1/ingestion-jobs/{job['id']}/documents?limit=3&cursor={first['nextCursor']}")
    items = first["items"] + rest["items"]
    assert {item["name"]: item["reason"] for item in items} == {
        "0.txt": None, "1.txt": None, "2.txt": None, "b.docx": "corrupt",
    }  # fmt: skip
    again = await library.made(f"/v1/ingestion-jobs/{job['id']}/retry", None)
    assert again["total"] == 4
    assert (await library.job_over(job["id"]))["counts"] == {"failed": 1, "indexed": 3}


async def test_a_job_is_cancelled(library: Library) -> None:
    corpus = await library.corpus()
    job = await library.made("/v1/ingestion-jobs", {"corpusId": corpus["id"]})
    for _ in range(2):
        assert (await library("POST", f"/v1/ingestion-jobs/{job['id']}/cancel")).body["status"] == "cancelled"
    late = {"corpusId": corpus["id"], "name": "a.txt", "content": "x", "jobId": job["id"]}
    assert (await library("POST", "/v1/documents", late)).code == "job_cancelled"
    assert (await library("POST", f"/v1/ingestion-jobs/{job['id']}/retry")).code == "job_cancelled"


async def test_a_limit_that_is_reached_is_waited_for_and_told(library: Library) -> None:
    corpus = await library.corpus(settings={"embeddingModel": MODEL})
    limit = {"metric": "requests", "window": "day", "limit": 1, "subject": {"kind": "tenant"}, "hard": True}
    stored = await library("PUT", f"/v1/tenants/{library.tenant.id}/quotas", {"quotas": [limit]})
    assert stored.status == 200, stored.body
    job = await library.made("/v1/ingestion-jobs", {"corpusId": corpus["id"]})
    names = ("a.txt", "b.txt", "c.txt")
    for name in names:
        await library.add(corpus, name, f"{name} {files.SENTENCE}", jobId=job["id"])

    async def waits() -> dict[str, Any]:
        found = await library.get(f"/v1/ingestion-jobs/{job['id']}")
        return found if "quota_exceeded" in found["waitingFor"] else {}

    waiting = await eventually(waits, PATIENCE)
    assert waiting["status"] == "running"
    items = (await library.get(f"/v1/ingestion-jobs/{job['id']}/documents?status=waiting"))["items"]
    assert all(item["retryAt"] for item in items)
