"""No route, filter or id leads to another tenant's knowledge, nor to that of a group somebody is not in."""

import pytest

from functions.kit.catalogue import load_catalogue
from functions.kit.errors import DependencyUnavailable
from functions.kit.objects import ObjectStorage
from functions.kit.settings import Settings
from scenarios.chaos.gateways import environment_of
from scenarios.load import documents as files
from tests.integration.knowledge.conftest import Library, NewLibrary
from tests.platform import Platform

pytestmark = pytest.mark.integration

_MANAGING = ("corpora", "documents", "indexes", "jobs")
_BODIES = {
    "POST /v1/documents/{documentId}/complete": {"versionId": "01a217a0-c82e-7480-93c4-dda5ddb7a2c9"},
    "PATCH /v1/corpora/{corpusId}": {"description": "mine now"},
    "PATCH /v1/documents/{documentId}": {"metadata": {"mine": True}},
}


def routes() -> list[tuple[str, str]]:
    """Every route of managing knowledge that names a thing."""
    functions = [f for f in load_catalogue().http() if f.name in {f"knowledge-{name}" for name in _MANAGING}]
    return [(route.method, route.path) for function in functions for route in function.routes if "{" in route.path]


async def stocked(library: Library, **access: object) -> dict[str, str]:
    """Ids of one of everything."""
    corpus = await library.corpus("Secret", **access)
    job = await library.made("/v1/ingestion-jobs", {"corpusId": corpus["id"]})
    document = await library.add(corpus, "secret.txt", files.SENTENCE, jobId=job["id"])
    await library.settled(document)
    return {
        "corpusId": corpus["id"],
        "documentId": document["id"],
        "indexId": corpus["activeIndexId"],
        "jobId": job["id"],
    }


async def sees_nothing(reader: Library, ids: dict[str, str]) -> None:
    for method, template in routes():
        path = template.format(**ids)
        reply = await reader(method, path, _BODIES.get(f"{method} {template}"))
        assert reply.status == 404, (method, path, reply.body)
        assert "secret" not in str(reply.body).lower()
    for listing in ("corpora", "documents", "indexes", "ingestion-jobs"):
        assert (await reader.get(f"/v1/{listing}"))["items"] == []
    for listing in ("documents", "indexes", "ingestion-jobs"):
        assert (await reader("GET", f"/v1/{listing}?corpusId={ids['corpusId']}")).code == "corpus_not_found"
    for path, body in (
        ("/v1/documents", {"corpusId": ids["corpusId"], "name": "a.txt", "content": "x"}),
        ("/v1/indexes", {"corpusId": ids["corpusId"]}),
        ("/v1/ingestion-jobs", {"corpusId": ids["corpusId"]}),
    ):
        assert (await reader("POST", path, body)).code == "corpus_not_found"


async def test_another_tenants_things_do_not_exist(new_library: NewLibrary) -> None:
    library, stranger = await new_library(), await new_library()
    ids = await stocked(library)
    await sees_nothing(stranger, ids)
    elsewhere = await stranger("GET", f"/v1/corpora/{ids['corpusId']}", None, **{"x-tenant-id": library.tenant.id})
    assert (elsewhere.status, elsewhere.code) == (403, "forbidden")
    own = await stranger.corpus("Own")
    foreign_job = {"corpusId": own["id"], "name": "a.txt", "content": "x", "jobId": ids["jobId"]}
    assert (await stranger("POST", "/v1/documents", foreign_job)).code == "job_not_found"
    cursor = (await library.get("/v1/documents?limit=1"))["nextCursor"]
    assert cursor is None
    assert (await library.get(f"/v1/documents/{ids['documentId']}"))["status"] == "indexed"


async def test_the_functions_own_key_and_another_tenants_session_open_no_document(
    new_library: NewLibrary, platform: Platform
) -> None:
    """As a program that forgets whose documents it looks at would find out."""
    library, stranger = await new_library(), await new_library()
    ids = await stocked(library)
    environment = environment_of(platform.pid("api"))
    given = {name.removeprefix("DCODER_").lower(): value for name, value in environment.items() if "_S3_" in name}
    storage = ObjectStorage(Settings.model_validate(given))
    bucket, corpus = storage.bucket("documents"), f"{library.tenant.id}/{ids['corpusId']}"
    own = [found.key async for found in bucket.of_tenant(library.tenant.id).list(ids["corpusId"])]
    assert own
    with pytest.raises(DependencyUnavailable, match="refuses"):
        await bucket.get(f"{library.tenant.id}/{own[0]}")
    with pytest.raises(DependencyUnavailable, match="refuses"):
        await anext(aiter(bucket.list(corpus)))
    assert [found async for found in bucket.of_tenant(stranger.tenant.id).list()] == []
    await storage.close()


async def test_another_groups_things_do_not_exist(library: Library) -> None:
    keepers, guests = await library.group("Keepers"), await library.group("Guests")
    ids = await stocked(library, groups=[keepers])
    # Somebody who may manage knowledge, and is in another group.
    policy = {"name": "librarians", "who": ["role:user"], "actions": ["knowledge:write"], "effect": "allow"}
    assert (await library("PUT", f"/v1/tenants/{library.tenant.id}/policies", {"policies": [policy]})).status == 200
    guest = library.as_(await library.key(role="user", groupId=guests))
    keeper = library.as_(await library.key(role="user", groupId=keepers))
    await sees_nothing(guest, ids)
    assert (await keeper.get(f"/v1/documents/{ids['documentId']}"))["name"] == "secret.txt"
    # Within a corpus that both may read, a document may be one group's.
    shared = await library.corpus("Shared")
    private = await library.add(shared, "private.txt", f"Private. {files.SENTENCE}", groups=[keepers])
    assert (await guest("GET", f"/v1/documents/{private['id']}")).code == "document_not_found"
    assert (await guest.get(f"/v1/documents?corpusId={shared['id']}"))["items"] == []
    assert len((await keeper.get(f"/v1/documents?corpusId={shared['id']}"))["items"]) == 1
    # Neither the name nor the content of what one may not see tells that it is there, or lets it be replaced.
    same = await guest.add(shared, "other.txt", f"Private. {files.SENTENCE}")
    assert (same["deduplicated"], same["name"]) == (False, "other.txt")
    taken = {"corpusId": shared["id"], "name": "private.txt", "content": "mine"}
    assert (await guest("POST", "/v1/documents", taken)).code == "document_name_taken"
    opened = await library("PATCH", f"/v1/documents/{private['id']}", {"groups": []})
    assert opened.status == 200, opened.body
    assert (await guest.get(f"/v1/documents/{private['id']}"))["groups"] == []


async def test_who_may_only_read_changes_nothing(library: Library) -> None:
    ids = await stocked(library)
    reader = library.as_(await library.key(role="user"))
    assert (await reader.get(f"/v1/documents/{ids['documentId']}"))["status"] == "indexed"
    for method, template in routes():
        if method == "GET":
            continue
        reply = await reader(method, template.format(**ids), _BODIES.get(f"{method} {template}"))
        assert (reply.status, reply.code) == (403, "forbidden"), (method, template)
