"""Policies out of the declaration of buckets: what a cloud's operator is printed, and what it must not give away."""

import json

import pytest

from stateful.objects.access import main, of_functions, of_tenants
from stateful.objects.declaration import load_buckets

ROLE = "arn:aws-us-gov:iam::123456789012:role/dcoder-tenants"
USER = "arn:aws-us-gov:iam::123456789012:user/dcoder"


def test_a_role_has_the_tenants_buckets_and_its_user_has_none_of_them() -> None:
    buckets = load_buckets()
    tenants = {bucket.name for bucket in buckets if bucket.tenants}
    assert tenants == {"documents", "executions"}
    user, role = json.dumps(of_functions(buckets, role=ROLE)), json.dumps(of_tenants(buckets))
    for bucket in buckets:
        place = f'"arn:aws:s3:::{bucket.name}'
        assert (place in role) == bucket.tenants
        assert (f'{place}/*"' in user) == (bucket.used_by == "functions" and not bucket.tenants)
    assert ROLE in user
    # Without a role sessions may do no more than their user.
    assert all(f'"arn:aws:s3:::{name}/*"' in json.dumps(of_functions(buckets)) for name in tenants)


def test_what_a_cloud_is_given_names_its_partition_prefix_and_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--user", USER, "--role", ROLE, "--bucket-prefix", "acme-"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"user", "role", "trust"}
    assert printed["trust"]["Statement"][0]["Principal"] == {"AWS": USER}
    places = [place for part in ("user", "role") for each in printed[part]["Statement"] for place in each["Resource"]]
    assert all(place == ROLE or place.startswith("arn:aws-us-gov:s3:::acme-") for place in places)


def test_what_is_no_arn_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--user", "dcoder", "--role", ROLE])
    assert "arn:aws:iam::" in capsys.readouterr().err
