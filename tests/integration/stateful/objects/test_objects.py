"""The bucket declaration against a real store, and the kit's objects on it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from functions.kit.errors import DependencyUnavailable, InvalidRequest, NotFound
from functions.kit.objects import Bucket, Objects, ObjectStorage
from stateful.objects.client import s3_client
from stateful.objects.declaration import load_buckets
from stateful.objects.sync import SyncError, synchronise
from tests.integration.stateful.objects.conftest import Store


@pytest.fixture
def prefix() -> str:
    return f"p{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def documents(store: Store) -> Bucket:
    synchronise(store.owner())
    return ObjectStorage(store.settings()).bucket("documents")


@pytest.fixture
def tenant_objects(documents: Bucket) -> Objects:
    return documents.of_tenant(str(uuid.uuid4()))


async def keys(objects: Objects, prefix: str = "", after: str | None = None) -> list[str]:
    return sorted([found.key async for found in objects.list(prefix, after=after)])


def test_buckets_are_made_as_declared_and_a_second_run_has_nothing_to_do(store: Store, prefix: str) -> None:
    settings = store.owner(s3_bucket_prefix=prefix)
    planned = synchronise(settings, dry_run=True)
    assert synchronise(settings) == planned
    assert {line.split(":")[0] for line in planned} == {f"{prefix}{bucket.name}" for bucket in load_buckets()}
    assert synchronise(settings) == []
    with s3_client(settings) as client:
        assert client.get_bucket_versioning(Bucket=f"{prefix}audit")["Status"] == "Enabled"
        assert "Status" not in client.get_bucket_versioning(Bucket=f"{prefix}backups")


def test_what_somebody_changed_is_put_right(store: Store, prefix: str) -> None:
    settings = store.owner(s3_bucket_prefix=prefix)
    synchronise(settings)
    with s3_client(settings) as client:
        client.put_bucket_versioning(Bucket=f"{prefix}audit", VersioningConfiguration={"Status": "Suspended"})
        client.delete_bucket_lifecycle(Bucket=f"{prefix}documents")
    assert synchronise(settings) == [f"{prefix}documents: lifecycle set", f"{prefix}audit: versioned"]


def test_overwritten_and_deleted_objects_of_a_versioned_bucket_stay(store: Store, prefix: str) -> None:
    settings = store.owner(s3_bucket_prefix=prefix)
    synchronise(settings)
    with s3_client(settings) as client:
        bucket: dict[str, Any] = {"Bucket": f"{prefix}audit", "Key": "a/1"}
        client.put_object(**bucket, Body=b"first")
        client.put_object(**bucket, Body=b"second")
        client.delete_object(**bucket)
        found = client.list_object_versions(Bucket=f"{prefix}audit", Prefix="a/")
    assert len(found["Versions"]) == 2
    assert len(found["DeleteMarkers"]) == 1


def test_a_store_that_refuses_or_is_away_is_an_error_in_words(store: Store) -> None:
    with pytest.raises(SyncError, match="refuses"):
        synchronise(store.owner(s3_secret_key="wrong"))
    with pytest.raises(SyncError, match="does not answer"):
        synchronise(store.owner(s3_endpoint="http://127.0.0.1:1"), wait_seconds=0)


async def test_what_is_put_is_got_listed_and_deleted(tenant_objects: Objects) -> None:
    await tenant_objects.put("reports/2026 ü.txt", "größe".encode(), content_type="text/plain")
    await tenant_objects.put("reports/other", b"")
    assert await tenant_objects.get("reports/2026 ü.txt") == "größe".encode()
    assert await tenant_objects.get("reports/other") == b""
    assert await keys(tenant_objects) == ["reports/2026 ü.txt", "reports/other"]
    assert await keys(tenant_objects, "reports") == ["reports/2026 ü.txt", "reports/other"]
    assert await keys(tenant_objects, "rep") == []
    assert (await tenant_objects.head("reports/2026 ü.txt")).size == 7
    await tenant_objects.delete("reports/other")
    await tenant_objects.delete("reports/other")
    with pytest.raises(NotFound):
        await tenant_objects.get("reports/other")
    with pytest.raises(NotFound):
        await tenant_objects.head("reports/other")


async def test_a_large_object_goes_and_comes_in_pieces(tenant_objects: Objects) -> None:
    piece = bytes(range(256)) * 4096

    async def body() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield piece

    await tenant_objects.put("large", body())
    received = [part async for part in tenant_objects.stream("large")]
    assert b"".join(received) == piece * 12
    assert len(received) > 1
    with pytest.raises(NotFound):
        await anext(aiter(tenant_objects.stream("missing")))


async def test_a_body_that_breaks_off_stores_nothing_and_says_its_own_error(tenant_objects: Objects) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 6_000_000
        raise ConnectionResetError("the client left")

    with pytest.raises(ConnectionResetError, match="the client left"):
        await tenant_objects.put("broken", body())
    with pytest.raises(NotFound):
        await tenant_objects.get("broken")


async def test_tenants_see_nothing_of_each_other(documents: Bucket) -> None:
    mine, theirs = documents.of_tenant(str(uuid.uuid4())), documents.of_tenant(str(uuid.uuid4()))
    await theirs.put("secret", b"theirs")
    assert await keys(mine) == []
    with pytest.raises(NotFound):
        await mine.get("secret")
    with pytest.raises(ValueError, match="badly formed"):
        documents.of_tenant("../other")


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", "a\x00b", "a\nb", "a\\b", "x" * 1100]
)
async def test_a_hostile_key_is_refused(tenant_objects: Objects, key: str) -> None:
    with pytest.raises(InvalidRequest):
        await tenant_objects.put(key, b"")
    with pytest.raises(InvalidRequest):
        await tenant_objects.presign(key)


async def test_a_link_opens_one_object_for_a_while(tenant_objects: Objects) -> None:
    await tenant_objects.put("shared", b"content")
    async with aiohttp.ClientSession() as http:
        link = await tenant_objects.presign("shared", seconds=60)
        async with http.get(link) as answer:
            assert await answer.read() == b"content"
        async with http.get(link.replace("shared", "other")) as answer:
            assert answer.status == 403
        async with http.put(await tenant_objects.presign("uploaded", method="PUT"), data=b"new") as answer:
            assert answer.status == 200
    assert await tenant_objects.get("uploaded") == b"new"
    with pytest.raises(ValueError, match="link lasts"):
        await tenant_objects.presign("shared", seconds=700_000)


async def test_an_absent_bucket_and_a_wrong_key_are_the_stores_fault_not_the_callers(store: Store) -> None:
    missing = ObjectStorage(store.owner(s3_bucket_prefix="nobody-made-")).bucket("documents")
    for operation in (missing.get("a"), missing.put("a", b""), keys(missing)):
        with pytest.raises(DependencyUnavailable):
            await operation
    stranger = ObjectStorage(store.owner(s3_secret_key="wrong")).bucket("documents")
    for operation in (stranger.get("a"), stranger.put("a", b""), keys(stranger)):
        with pytest.raises(DependencyUnavailable):
            await operation


async def test_a_store_that_died_is_said_to_be_away_and_heals(store: Store, tenant_objects: Objects) -> None:
    await tenant_objects.put("kept", b"kept")
    store.kill()
    for operation in (tenant_objects.get("kept"), tenant_objects.put("new", b""), keys(tenant_objects)):
        with pytest.raises(DependencyUnavailable, match="object store"):
            await operation
    store.start()
    # What the store answers before all its parts have found each other is an error like any other.
    async with asyncio.timeout(60):
        while await absent(tenant_objects, "kept"):
            pass
    assert await tenant_objects.get("kept") == b"kept"


async def absent(objects: Objects, key: str) -> bool:
    try:
        await objects.get(key)
    except DependencyUnavailable:
        return True
    return False
