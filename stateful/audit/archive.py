"""Every version of every checkpoint that the object store has, deleted ones included."""

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from functions.kit.settings import Settings
from functions.platform.adapters.audit_objects import PREFIX
from functions.platform.audit.wiring import BUCKET
from stateful.objects.client import s3_client


class ArchiveAway(Exception):
    """The object store cannot be read; the message says why."""


_AT_ONCE = 8


@dataclass(slots=True)
class Archived:
    """An object and its versions.

    Attributes:
        documents: newest first.
        deleted: whether somebody deleted it, so that only older versions are left.
    """

    key: str
    documents: list[bytes] = field(default_factory=list)
    deleted: bool = False


def archived_checkpoints(settings: Settings, chain: str | None = None) -> dict[str, list[Archived]]:
    """The objects by chain, by size.

    Args:
        chain: this one alone.

    Raises:
        ArchiveAway: the store is away, refuses, or has no such bucket.
    """
    bucket = f"{settings.s3_bucket_prefix}{BUCKET}"
    found: dict[str, Archived] = {}
    with _explaining(), s3_client(settings) as client, ThreadPoolExecutor(_AT_ONCE) as threads:

        def document(version: dict[str, str]) -> bytes:
            got = client.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
            return bytes(got["Body"].read())

        pages = client.get_paginator("list_object_versions").paginate(
            Bucket=bucket, Prefix=f"{PREFIX}/{chain}/" if chain else f"{PREFIX}/"
        )
        for page in pages:
            versions = page.get("Versions", ())
            for version, got in zip(versions, threads.map(document, versions), strict=True):
                found.setdefault(version["Key"], Archived(version["Key"])).documents.append(got)
            for marker in page.get("DeleteMarkers", ()):
                found.setdefault(marker["Key"], Archived(marker["Key"])).deleted |= bool(marker.get("IsLatest"))
    return _by_chain(found)


def _by_chain(found: dict[str, Archived]) -> dict[str, list[Archived]]:
    chains: dict[str, list[Archived]] = defaultdict(list)
    for key in sorted(found):
        chains[key.removeprefix(f"{PREFIX}/").rpartition("/")[0]].append(found[key])
    return dict(chains)


@contextmanager
def _explaining() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise ArchiveAway(str(error)) from error
