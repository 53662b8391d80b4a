"""What a tenant's session may do at the store itself, whatever program holds it: raw calls of S3 with its keys."""

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from functions.kit.errors import DependencyUnavailable
from functions.kit.object_access import session_policy
from functions.kit.objects import ObjectStorage
from functions.kit.sts import SecurityTokens, StoreSession
from stateful.objects.client import s3_client
from stateful.objects.sync import synchronise
from tests.integration.stateful.objects.conftest import Store

BUCKET = "documents"
REFUSED = {400, 403}


@pytest.fixture(scope="module")
def mine() -> str:
    return str(uuid.uuid4())


@pytest.fixture(scope="module")
def theirs() -> str:
    return str(uuid.uuid4())


@pytest.fixture(scope="module")
def owner(store: Store, mine: str, theirs: str) -> Iterator[Any]:
    """The store's owner, after having put an object of each tenant, and of one whose id begins like ours."""
    synchronise(store.owner())
    with s3_client(store.owner()) as client:
        for tenant in (mine, theirs, f"{mine}0"):
            client.put_object(Bucket=BUCKET, Key=f"{tenant}/secret", Body=tenant.encode())
        client.put_object(Bucket=BUCKET, Key="secret", Body=b"nobody's")
        client.put_object(Bucket="executions", Key=f"{mine}/secret", Body=b"in another bucket")
        client.put_object(Bucket="audit", Key="checkpoints/secret", Body=b"the platform's")
        yield client


@pytest.fixture
async def session(store: Store, owner: object, mine: str) -> StoreSession:
    del owner
    return await SecurityTokens(store.settings()).session(f"tenant-{mine}", session_policy(BUCKET, mine), 900)


def client_of(store: Store, session: StoreSession, service: str = "s3") -> Any:
    return boto3.session.Session().client(
        service,
        endpoint_url=store.component.address,
        region_name="us-east-1",
        aws_access_key_id=session.access_key_id,
        aws_secret_access_key=session.secret_access_key,
        aws_session_token=session.token,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, signature_version="v4"),
    )


@pytest.fixture
def client(store: Store, session: StoreSession) -> Iterator[Any]:
    made = client_of(store, session)
    yield made
    made.close()


def status_of(operation: Any, **arguments: Any) -> int:
    try:
        answer = operation(**arguments)
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def kept(owner: Any) -> dict[str, list[str]]:
    """Every version of every object, by key."""
    found: dict[str, list[str]] = {}
    for version in owner.list_object_versions(Bucket=BUCKET).get("Versions", []):
        found.setdefault(version["Key"], []).append(version["VersionId"])
    return found


def test_its_own_objects_are_all_it_needs(client: Any, mine: str) -> None:
    key = {"Bucket": BUCKET, "Key": f"{mine}/own"}
    client.put_object(**key, Body=b"own")
    assert client.get_object(**key)["Body"].read() == b"own"
    client.copy_object(Bucket=BUCKET, Key=f"{mine}/copy", CopySource=key)
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{mine}/")["Contents"]
    assert {found["Key"] for found in listed} >= {f"{mine}/own", f"{mine}/copy"}
    assert status_of(client.head_object, Bucket=BUCKET, Key=f"{mine}/absent") == 404
    upload = client.create_multipart_upload(**key)["UploadId"]
    part = client.upload_part(**key, UploadId=upload, PartNumber=1, Body=b"in parts")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    client.complete_multipart_upload(**key, UploadId=upload, MultipartUpload=parts)
    assert client.get_object(**key)["Body"].read() == b"in parts"
    for name in ("own", "copy"):
        client.delete_object(Bucket=BUCKET, Key=f"{mine}/{name}")


def foreign_keys(mine: str, theirs: str) -> list[str]:
    return [
        f"{theirs}/secret",
        f"{mine}0/secret",
        "secret",
        f"{mine}/../{theirs}/secret",
        f"{mine}/./../{theirs}/secret",
    ]


def test_no_object_beyond_is_read_written_or_removed(client: Any, owner: Any, mine: str, theirs: str) -> None:
    before = kept(owner)
    for foreign in foreign_keys(mine, theirs):
        key = {"Bucket": BUCKET, "Key": foreign}
        version = before.get(foreign, ["null"])[0]
        calls: list[tuple[Any, dict[str, Any]]] = [
            (client.get_object, key),
            (client.get_object, {**key, "VersionId": version}),
            (client.head_object, key),
            (client.put_object, {**key, "Body": b"overwritten"}),
            (client.delete_object, key),
            (client.delete_object, {**key, "VersionId": version}),
            (client.copy_object, {"Bucket": BUCKET, "Key": f"{mine}/stolen", "CopySource": key}),
            (client.copy_object, {**key, "CopySource": {"Bucket": BUCKET, "Key": f"{mine}/secret"}}),
            (client.create_multipart_upload, key),
            (client.get_object_tagging, key),
            (client.put_object_tagging, {**key, "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
            (client.get_object_acl, key),
        ]
        for operation, arguments in calls:
            assert status_of(operation, **arguments) in REFUSED, (operation.__name__, arguments)
    assert kept(owner) == before


def test_parts_of_other_objects_are_not_copied(client: Any, mine: str, theirs: str) -> None:
    key = {"Bucket": BUCKET, "Key": f"{mine}/assembled"}
    upload = client.create_multipart_upload(**key)["UploadId"]
    source = {"Bucket": BUCKET, "Key": f"{theirs}/secret"}
    asked = {**key, "UploadId": upload, "PartNumber": 1, "CopySource": source}
    assert status_of(client.upload_part_copy, **asked) in REFUSED
    client.abort_multipart_upload(**key, UploadId=upload)


def test_many_at_once_are_judged_one_by_one(client: Any, owner: Any, mine: str, theirs: str) -> None:
    before = kept(owner)
    keys = [{"Key": key} for key in foreign_keys(mine, theirs)]
    answer = client.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
    assert len(answer["Errors"]) == len(keys)
    assert "Deleted" not in answer
    assert kept(owner) == before


def test_no_listing_tells_of_others(client: Any, mine: str, theirs: str) -> None:
    listings: list[dict[str, str]] = [{}, {"Prefix": ""}, {"Delimiter": "/"}, {"Prefix": "", "Delimiter": "/"}]
    listings += [{"Prefix": prefix} for prefix in (theirs, f"{theirs}/", mine, mine[:8], f"{mine}0/", "/")]
    listings += [{"Prefix": "", "StartAfter": f"{mine}/"}]
    for listing in listings:
        assert status_of(client.list_objects_v2, Bucket=BUCKET, **listing) == 403, listing
        older = {name: value for name, value in listing.items() if name != "StartAfter"}
        assert status_of(client.list_objects, Bucket=BUCKET, **older) == 403, listing
        assert status_of(client.list_object_versions, Bucket=BUCKET, **older) == 403, listing
        assert status_of(client.list_multipart_uploads, Bucket=BUCKET, **older) == 403, listing
    # What begins like ours and then leads out of it may be asked for, and is no way out.
    for prefix in (f"{mine}/..", f"{mine}/../", f"{mine}/../{theirs}", f"{mine}/../{theirs}/", f"{mine}//../{theirs}/"):
        for operation in (client.list_objects_v2, client.list_objects):
            assert "Contents" not in operation(Bucket=BUCKET, Prefix=prefix), prefix
    # Nor does a place to go on from.
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{mine}/", StartAfter="0")["Contents"]
    assert all(entry["Key"].startswith(f"{mine}/") for entry in found)


def test_no_bucket_is_reached_besides_and_none_is_changed(client: Any, mine: str) -> None:
    for bucket, key in (("executions", f"{mine}/secret"), ("audit", "checkpoints/secret")):
        assert status_of(client.get_object, Bucket=bucket, Key=key) == 403
        assert status_of(client.list_objects_v2, Bucket=bucket, Prefix=f"{mine}/") == 403
    assert status_of(client.delete_bucket, Bucket=BUCKET) == 403
    assert status_of(client.put_bucket_policy, Bucket=BUCKET, Policy="{}") == 403
    suspended = {"Status": "Suspended"}
    assert status_of(client.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration=suspended) == 403
    assert status_of(client.delete_bucket_lifecycle, Bucket=BUCKET) == 403
    assert BUCKET not in [found["Name"] for found in client.list_buckets()["Buckets"]]


async def test_a_session_gives_no_other(store: Store, session: StoreSession, theirs: str) -> None:
    tokens = client_of(store, session, "sts")
    asked = {"RoleArn": store.settings().s3_tenant_role, "RoleSessionName": f"tenant-{theirs}"}
    assert status_of(tokens.assume_role, **asked) == 403
    tokens.close()


async def test_a_session_without_its_token_or_with_anothers_is_nobody(
    store: Store, session: StoreSession, theirs: str
) -> None:
    other = await SecurityTokens(store.settings()).session(f"tenant-{theirs}", session_policy(BUCKET, theirs), 900)
    mixed = StoreSession(other.access_key_id, other.secret_access_key, session.token, session.until, session.seconds)
    bare = StoreSession(session.access_key_id, session.secret_access_key, "", session.until, session.seconds)
    for wrong in (mixed, bare):
        with_wrong = client_of(store, wrong)
        assert status_of(with_wrong.get_object, Bucket=BUCKET, Key=f"{theirs}/secret") == 403
        with_wrong.close()


async def test_the_functions_own_key_opens_no_tenants_object(store: Store, owner: object, mine: str) -> None:
    del owner
    whole = ObjectStorage(store.settings()).bucket(BUCKET)
    for operation in (
        whole.get(f"{mine}/secret"),
        whole.put(f"{mine}/new", b""),
        whole.delete(f"{mine}/secret"),
        anext(aiter(whole.list(mine))),
        anext(aiter(whole.list())),
    ):
        with pytest.raises(DependencyUnavailable, match="refuses"):
            await operation
    audit = ObjectStorage(store.settings()).bucket("audit")
    await audit.put("checkpoints/own", b"the platform's own")
    assert await audit.get("checkpoints/own") == b"the platform's own"
