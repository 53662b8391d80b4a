"""The full S3 client, for what functions have no need of: buckets, lifecycles, versions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from functions.kit.settings import Settings


@contextmanager
def s3_client(settings: Settings) -> Iterator[Any]:
    """boto3's client of the settings' endpoint. Without keys the cloud's own way of telling who we are holds."""
    import boto3
    from botocore.config import Config

    keys = {
        "aws_access_key_id": settings.s3_access_key and settings.s3_access_key.get_secret_value(),
        "aws_secret_access_key": settings.s3_secret_key and settings.s3_secret_key.get_secret_value(),
    }
    config = Config(
        connect_timeout=settings.s3_timeout_seconds / 4,
        read_timeout=settings.s3_timeout_seconds,
        retries={"total_max_attempts": 2, "mode": "standard"},
        s3={"addressing_style": "path" if settings.s3_endpoint else "virtual"},
        # Other stores than the cloud's own do not know the checksums that are newer than they are.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = boto3.session.Session().client(
        "s3", endpoint_url=settings.s3_endpoint or None, region_name=settings.s3_region, config=config, **keys
    )
    try:
        yield client
    finally:
        client.close()
