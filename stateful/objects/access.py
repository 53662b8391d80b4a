"""Who may do what in which bucket, as S3 writes policies; `python -m stateful.objects.access` prints them for a cloud.

Of a tenants' bucket a function reaches one tenant's objects at a time, by a session (`functions/kit/object_access.py`).
Where sessions are taken in a role, the role has the rights and the functions' own user has none of them.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from stateful.objects.declaration import Bucket, load_buckets

Policy = dict[str, Any]

_VERSION = "2012-10-17"
_OF_BUCKET = ("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketVersions")
_OF_OBJECT = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectVersion", "s3:AbortMultipartUpload")
_BACKUPS = "backups"


def whole(buckets: Iterable[str], prefix: str = "", partition: str = "aws") -> Policy:
    """All of these buckets, and no other; buckets themselves stay."""
    names = [f"arn:{partition}:s3:::{prefix}{bucket}" for bucket in buckets]
    return {
        "Version": _VERSION,
        "Statement": [
            {"Effect": "Allow", "Action": list(_OF_BUCKET), "Resource": names},
            {"Effect": "Allow", "Action": list(_OF_OBJECT), "Resource": [f"{name}/*" for name in names]},
        ],
    }


def of_functions(
    buckets: Sequence[Bucket], *, role: str | None = None, prefix: str = "", partition: str = "aws"
) -> Policy:
    """The functions' own user.

    Args:
        role: that it takes to reach tenants' objects. Without one, sessions may do no more than this user, which
            therefore has all of them.
    """
    own = [one.name for one in buckets if one.used_by == "functions" and not (role and one.tenants)]
    policy = whole(own, prefix, partition)
    policy["Statement"] += _seeing_backups(prefix, partition)
    if role:
        policy["Statement"].append({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": [role]})
    return policy


def of_tenants(buckets: Sequence[Bucket], *, prefix: str = "", partition: str = "aws") -> Policy:
    """The role that sessions of tenants are taken in; each session has a tenant's part of it."""
    return whole([one.name for one in buckets if one.tenants], prefix, partition)


def trust(user: str) -> Policy:
    """Who may take the role: the functions' user, by its ARN, and nobody else."""
    statement = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": ["sts:AssumeRole"]}
    return {"Version": _VERSION, "Statement": [statement]}


def _seeing_backups(prefix: str, partition: str) -> list[dict[str, Any]]:
    """What functions may read of backups: that they are there, and Barman's note of when and how each ended."""
    bucket = f"arn:{partition}:s3:::{prefix}{_BACKUPS}"
    return [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [bucket],
            "Condition": {"StringLike": {"s3:prefix": ["postgres/*/base/*"]}},
        },
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": [f"{bucket}/postgres/*/base/*/backup.info"],
        },
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line.

    Returns:
        exit status: 0; 2 when an argument is not an ARN.
    """
    parser = argparse.ArgumentParser(prog="python -m stateful.objects.access", description=__doc__)
    parser.add_argument("--user", required=True, metavar="ARN", help="the functions' user")
    parser.add_argument("--role", required=True, metavar="ARN", help="what DCODER_S3_TENANT_ROLE names")
    parser.add_argument("--bucket-prefix", default="", help="what DCODER_S3_BUCKET_PREFIX says")
    given = parser.parse_args(arguments)
    if not (given.user.startswith("arn:") and given.role.startswith("arn:")):
        parser.error("--user and --role are ARNs, such as arn:aws:iam::123456789012:role/dcoder-tenants")
    buckets = load_buckets()
    place = {"prefix": given.bucket_prefix, "partition": given.role.split(":")[1]}
    printed = {
        "user": of_functions(buckets, role=given.role, **place),
        "role": of_tenants(buckets, **place),
        "trust": trust(given.user),
    }
    sys.stdout.write(f"{json.dumps(printed, indent=2)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
