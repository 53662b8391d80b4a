"""Corpora and documents, through the edge, down to the passages that are cited."""

import base64
import json

import pytest

from functions.knowledge.adapters.parsing.formats import ocr
from scenarios.load import documents as files
from tests.integration.knowledge.conftest import MODEL, Library
from tests.platform import Platform

pytestmark = pytest.mark.integration


async def test_a_corpus_is_made_described_and_removed(library: Library) -> None:
    corpus = await library.corpus("Papers", description="All of them", metadata={"shelf": 4})
    assert (await library("POST", "/v1/corpora", {"name": "PAPERS"})).code == "corpus_name_taken"
    index = await library.get(f"/v1/indexes/{corpus['activeIndexId']}")
    assert (index["status"], index["chunks"], index["settings"]["embeddingModel"]) == ("active", 0, None)
    path = f"/v1/corpora/{corpus['id']}"
    changed = await library("PATCH", path, {"name": "Letters"})
    assert (changed.body["name"], changed.body["description"], changed.body["metadata"]) == (
        "Letters", "All of them", {"shelf": 4},
    )  # fmt: skip
    other = await library.corpus("Maps")
    first = await library.get("/v1/corpora?limit=1")
    assert [each["id"] for each in first["items"]] == [other["id"]]
    second = await library.get(f"/v1/corpora?limit=1&cursor={first['nextCursor']}")
    assert ([each["id"] for each in second["items"]], second["nextCursor"]) == ([corpus["id"]], None)
    document = await library.add(corpus, "a.txt", files.SENTENCE)
    await library.settled(document)
    assert (await library("DELETE", path)).status == 204
    for gone in (path, f"/v1/documents/{document['id']}", f"/v1/indexes/{index['id']}"):
        assert (await library("GET", gone)).status == 404


async def test_a_document_is_indexed_and_its_passages_can_be_cited(library: Library) -> None:
    corpus = await library.corpus(settings={"embeddingModel": MODEL})
    document = await library.add(corpus, "notes/lights.md", f"# Lights\n\n{files.SENTENCE}", metadata={"year": 1887})
    assert (document["status"], document["version"], document["deduplicated"]) == ("pending", 1, False)
    indexed = await library.settled(document)
    assert (indexed["status"], indexed["chunks"], indexed["metadata"]) == ("indexed", 1, {"year": 1887})
    assert (await library.get(f"/v1/indexes/{corpus['activeIndexId']}"))["dimensions"] == 384
    path = f"/v1/documents/{document['id']}/text"
    whole = await library.get(path)
    start = whole["text"].index("keeper")
    assert (await library.get(f"{path}?start={start}&end={start + 6}"))["text"] == "keeper"
    assert (await library.get(f"{path}?start=100000"))["text"] == ""


async def test_the_same_content_is_kept_once_and_other_content_is_a_new_version(library: Library) -> None:
    corpus = await library.corpus()
    first = await library.add(corpus, "a.txt", "One paragraph about harbours.")
    await library.settled(first)
    again = await library.made(
        "/v1/documents", {"corpusId": corpus["id"], "name": "a.txt", "content": "One paragraph about harbours."}, 200
    )
    assert (again["id"], again["version"], again["deduplicated"]) == (first["id"], 1, True)
    alike = await library.made(
        "/v1/documents", {"corpusId": corpus["id"], "name": "b.txt", "content": "One paragraph about harbours."}, 200
    )
    assert (alike["id"], alike["deduplicated"]) == (first["id"], True)
    newer = await library.add(corpus, "a.txt", "Another paragraph, about lights.")
    assert (newer["id"], newer["version"]) == (first["id"], 2)
    await library.settled(newer)
    assert "lights" in (await library.get(f"/v1/documents/{first['id']}/text"))["text"]
    assert "harbours" in (await library.get(f"/v1/documents/{first['id']}/text?version=1"))["text"]
    versions = (await library.get(f"/v1/documents/{first['id']}/versions"))["items"]
    assert [version["number"] for version in versions] == [2, 1]
    found = await library.get(f"/v1/documents?contentHash={versions[0]['contentHash']}")
    assert [each["id"] for each in found["items"]] == [first["id"]]
    assert (await library.get(f"/v1/documents?contentHash={versions[1]['contentHash']}"))["items"] == []


async def test_content_comes_as_text_as_bytes_as_a_form_and_by_an_upload_apart(library: Library) -> None:
    corpus = await library.corpus()
    encoded = base64.b64encode(files.docx()).decode()
    as_bytes = await library.made(
        "/v1/documents", {"corpusId": corpus["id"], "name": "a.docx", "contentBase64": encoded}
    )
    as_form = await library.upload(corpus, "b.pdf", files.pdf(), metadata=json.dumps({"kind": "chart"}))
    assert as_form.status == 202, as_form.body
    waiting = await library.made("/v1/documents", {"corpusId": corpus["id"], "name": "c.txt", "upload": True})
    assert (waiting["status"], waiting["version"]) == ("awaiting_upload", 0)
    complete = f"/v1/documents/{waiting['id']}/complete"
    version = {"versionId": waiting["upload"]["versionId"]}
    assert (await library("POST", complete, version)).code == "upload_missing"
    async with library.api.session.put(waiting["upload"]["url"], data=files.text()) as put:
        assert put.status == 200, await put.text()
    for _ in range(2):
        assert (await library("POST", complete, version)).status == 202
    for document, passage in ((as_bytes, "Skagen | 46"), (as_form.body, "Left line"), (waiting, "Paragraph 0")):
        settled = await library.settled(document)
        assert settled["status"] == "indexed", settled
        assert passage in (await library.get(f"/v1/documents/{document['id']}/text"))["text"]
    assert (await library.settled(as_form.body))["metadata"] == {"kind": "chart"}


async def test_what_cannot_be_read_says_why_and_can_be_tried_again(library: Library) -> None:
    corpus = await library.corpus()
    for name, content, reason in (
        ("a.xlsx", files.encrypted_xlsx(), "encrypted"),
        ("b.docx", files.docx()[:2000], "corrupt"),
        ("c.bin", bytes(range(256)) * 20, "unknown_type"),
        ("d.png", files.png(), "no_caption_model"),
        ("e.txt", b"", "empty"),
    ):
        sent = await library.upload(corpus, name, content)
        settled = await library.settled(sent.body)
        assert (settled["status"], settled["reason"]) == ("failed", reason)
        assert settled["detail"]
    failed = await library.get(f"/v1/documents?corpusId={corpus['id']}&status=failed")
    assert len(failed["items"]) == 5
    assert (await library("GET", f"/v1/documents/{failed['items'][0]['id']}/text")).code == "text_not_ready"
    retried = await library("POST", f"/v1/documents/{failed['items'][0]['id']}/retry")
    assert retried.status == 202, retried.body
    assert (await library.settled(retried.body))["reason"] == "empty"
    # A version that can be read makes it good.
    better = await library.add(corpus, "b.docx", "Just text after all.", mediaType="text/plain")
    assert (await library.settled(better))["reason"] == "corrupt"


async def test_pictures_are_described_by_the_tenants_model(library: Library) -> None:
    corpus = await library.corpus(settings={"captionModel": "openai/gpt-4o-mini"})
    sent = await library.upload(corpus, "chart.png", files.png())
    settled = await library.settled(sent.body)
    assert (settled["status"], settled["chunks"]) == ("indexed", 1), settled
    assert (await library.get(f"/v1/documents/{settled['id']}/text"))["text"]


@pytest.mark.skipif(not ocr.is_installed(), reason="there is no OCR: the program tesseract is not installed")
async def test_a_picture_that_was_read_is_described_when_an_index_wants_it(library: Library) -> None:
    corpus = await library.corpus()
    sent = await library.upload(corpus, "sign.png", files.written_on("PNG", files.SENTENCE))
    assert (await library.settled(sent.body))["status"] == "indexed"
    path = f"/v1/documents/{sent.body['id']}/text"
    assert (await library.get(path))["text"] == files.SENTENCE
    index = await library.made(
        "/v1/indexes", {"corpusId": corpus["id"], "settings": {"captionModel": "openai/gpt-4o-mini"}}
    )
    assert (await library.job_over(index["jobId"]))["counts"] == {"indexed": 1}
    described = (await library.get(path))["text"]
    # What is cited from the former index is where it was.
    assert described.startswith(f"{files.SENTENCE}\n\n")
    assert (await library.get(f"/v1/indexes/{index['id']}"))["chunks"] == 1


async def test_addresses_are_fetched_and_those_inside_are_not(library: Library, platform: Platform) -> None:
    corpus = await library.corpus()

    async def fetched(uri: str) -> dict[str, object]:
        document = await library.made("/v1/documents", {"corpusId": corpus["id"], "name": uri, "uri": uri})
        return await library.settled(document)

    # The operator vouches for the simulator's address, which is inside.
    assert (await fetched(f"{platform.simulator}/health/live"))["status"] == "indexed"
    assert (await fetched(f"{platform.simulator}/nothing-there"))["reason"] == "fetch_failed"
    for refused in (
        "file:///etc/passwd",
        "http://user:secret@example.com/",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://example.com:22/",
        "http://localhost/",
        "http://2130706433/",
    ):
        reply = await library("POST", "/v1/documents", {"corpusId": corpus["id"], "name": "x", "uri": refused})
        assert (reply.status, reply.code) == (400, "egress_denied"), refused


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"content": "a", "uri": "http://example.com/"}, 422),
        ({"content": "a", "name": ""}, 422),
        ({"content": "a", "metadata": {"x": "y" * 20_000}}, 422),
        ({"content": "a", "metadata": {"x": "\x00"}}, 422),
        ({"content": "a", "groups": ["everyone"]}, 422),
        ({"contentBase64": "not base64!"}, 422),
        ({"content": "a", "corpusId": "01a217a0-c82e-7480-93c4-dda5ddb7a2c9"}, 404),
        ({"content": "a", "jobId": "01a217a0-c82e-7480-93c4-dda5ddb7a2c9"}, 404),
    ],
)
async def test_wrong_documents_are_refused(library: Library, body: dict[str, object], status: int) -> None:
    corpus = await library.corpus()
    reply = await library("POST", "/v1/documents", {"corpusId": corpus["id"], "name": "a.txt", **body})
    assert reply.status == status, reply.body
    assert (await library.get(f"/v1/documents?corpusId={corpus['id']}"))["items"] == []
