"""Brings the buckets in line with `buckets.yaml`: `python -m stateful.objects.sync`.

Makes buckets that are missing, turns versioning on and sets the lifecycle. Sound to repeat; nothing is deleted, and
versioning that somebody turned on beyond the declaration stays.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from functions.kit.settings import Settings, load_settings
from stateful.objects.client import s3_client
from stateful.objects.declaration import Bucket, load_buckets

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_WAIT_SECONDS = 30.0
_PAUSE_SECONDS = 0.2


class SyncError(Exception):
    """The store cannot be brought to where it should be; the message says why."""


class Sync:
    """One run.

    Args:
        client: boto3's S3 client.
        dry_run: say what would be done and do nothing.
    """

    def __init__(self, client: Any, prefix: str, *, dry_run: bool = False) -> None:
        self._client = client
        self._prefix = prefix
        self._dry_run = dry_run

    def run(self, buckets: Sequence[Bucket]) -> list[str]:
        """Bring every bucket in line.

        Returns:
            what was done, or would be, a line each.

        Raises:
            SyncError: the store refuses.
        """
        existing = {found["Name"] for found in self._ask("list_buckets")["Buckets"]}
        done: list[str] = []
        for bucket in buckets:
            done += self._ensure(bucket, exists=self._prefix + bucket.name in existing)
        return done

    def _ensure(self, bucket: Bucket, *, exists: bool) -> list[str]:
        name, done = self._prefix + bucket.name, []
        if not exists:
            self._change("create_bucket", Bucket=name)
            done.append(f"{name}: created")
        if bucket.versioned and not (exists and self._is_versioned(name)):
            self._change("put_bucket_versioning", Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            done.append(f"{name}: versioned")
        wanted = lifecycle(bucket)
        if not exists or self._lifecycle(name) != _essence(wanted):
            self._change("put_bucket_lifecycle_configuration", Bucket=name, LifecycleConfiguration={"Rules": wanted})
            done.append(f"{name}: lifecycle set")
        return done

    def _is_versioned(self, name: str) -> bool:
        return bool(self._ask("get_bucket_versioning", Bucket=name).get("Status") == "Enabled")

    def _lifecycle(self, name: str) -> dict[str, Any]:
        try:
            return _essence(self._ask("get_bucket_lifecycle_configuration", Bucket=name).get("Rules", []))
        except _NoLifecycle:
            return {}

    def _change(self, operation: str, **arguments: Any) -> None:
        if not self._dry_run:
            self._ask(operation, **arguments)

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except ClientError as error:
            raise _refusal(operation, error) from error
        return answer


class _NoLifecycle(SyncError):
    """The bucket keeps everything, as one does that was never told otherwise."""


def lifecycle(bucket: Bucket) -> list[dict[str, Any]]:
    """A bucket's rules as S3 takes them."""
    rules: list[tuple[str, dict[str, Any]]] = [
        ("abort-uploads", {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": bucket.abort_uploads_days}})
    ]
    if bucket.expire_days:
        rules.append(("expire", {"Expiration": {"Days": bucket.expire_days}}))
    if bucket.keep_old_versions_days:
        old = {"NoncurrentVersionExpiration": {"NoncurrentDays": bucket.keep_old_versions_days}}
        rules.append(("old-versions", old))
    return [{"ID": name, "Status": "Enabled", "Filter": {"Prefix": ""}, **rule} for name, rule in rules]


def synchronise(settings: Settings, *, dry_run: bool = False, wait_seconds: float = _WAIT_SECONDS) -> list[str]:
    """Synchronise the store that the settings name, once it answers.

    Raises:
        SyncError: it does not answer in time, or refuses.
    """
    with s3_client(settings) as client:
        return _patiently(
            lambda: Sync(client, settings.s3_bucket_prefix, dry_run=dry_run).run(load_buckets()), wait_seconds
        )


def _patiently(run: Callable[[], list[str]], seconds: float) -> list[str]:
    from botocore.exceptions import BotoCoreError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnection

    deadline = time.monotonic() + seconds
    while True:
        try:
            return run()
        except (_Away, HTTPClientError, NoConnection) as error:
            if time.monotonic() > deadline:
                raise SyncError(f"the object store does not answer: {error}") from error
            time.sleep(_PAUSE_SECONDS)
        except BotoCoreError as error:
            raise SyncError(str(error)) from error


class _Away(SyncError):
    """Not there yet, or not any more."""


def _refusal(operation: str, error: "ClientError") -> SyncError:
    code, status = error.response["Error"].get("Code", ""), error.response["ResponseMetadata"]["HTTPStatusCode"]
    if code == "NoSuchLifecycleConfiguration":
        return _NoLifecycle(code)
    if status >= 500:
        return _Away(f"{operation}: {code}")
    return SyncError(
        f"the object store refuses {operation}: {code} {error.response['Error'].get('Message', '')}".strip()
    )


def _essence(rules: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What matters of rules: a store adds fields of its own."""
    kept = ("Status", "AbortIncompleteMultipartUpload", "Expiration", "NoncurrentVersionExpiration")
    return {rule.get("ID", ""): {key: rule[key] for key in kept if key in rule} for rule in rules}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line.

    Returns:
        exit status: 0; 1 when the store did not let it; with --dry-run, 2 when something is to be done.
    """
    parser = argparse.ArgumentParser(prog="python -m stateful.objects.sync", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and do nothing")
    parser.add_argument("--wait", type=float, default=_WAIT_SECONDS, help="seconds to wait for the store")
    given = parser.parse_args(arguments)
    try:
        done = synchronise(load_settings(), dry_run=given.dry_run, wait_seconds=given.wait)
    except SyncError as error:
        sys.stderr.write(f"sync: {error}\n")
        return 1
    for line in done or ["nothing to do"]:
        sys.stdout.write(f"{line}{' (not done)' if done and given.dry_run else ''}\n")
    return 2 if given.dry_run and done else 0


if __name__ == "__main__":
    sys.exit(main())
