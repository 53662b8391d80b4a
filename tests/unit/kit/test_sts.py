"""How sessions are asked for: signatures as AWS computes them, where the service is, and what sessions may do."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.kit.object_access import session_policy
from functions.kit.settings import Settings
from functions.kit.sts import StoreSession, signed, token_service

TENANT = "0197a6f0-1c2d-7000-8000-00000000000a"


@given(
    body=st.binary(max_size=200),
    secret=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60),
    at=st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)),  # noqa: DTZ001 - made aware below
    address=st.sampled_from(["http://127.0.0.1:9000/", "https://sts.eu-central-1.amazonaws.com/"]),
)
def test_signatures_are_those_of_amazons_own_library(body: bytes, secret: str, at: datetime, address: str) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    moment = at.replace(tzinfo=UTC)
    ours = signed(address, body, key="AKIDEXAMPLE", secret=secret, region="eu-central-1", at=moment)
    headers = {name: value for name, value in ours.items() if name != "authorization"}
    request = AWSRequest("POST", address, headers=headers, data=body)
    request.context["timestamp"] = ours["x-amz-date"]
    theirs = SigV4Auth(Credentials("AKIDEXAMPLE", secret), "sts", "eu-central-1")
    text = theirs.string_to_sign(request, theirs.canonical_request(request))
    assert ours["authorization"].endswith(f"Signature={theirs.signature(text, request)}")
    assert hashlib.sha256(body).hexdigest() in theirs.canonical_request(request)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"s3_endpoint": "http://minio:9000"}, "http://minio:9000/"),
        ({"s3_endpoint": "http://minio:9000/"}, "http://minio:9000/"),
        ({}, "https://sts.us-east-1.amazonaws.com/"),
        ({"s3_region": "eu-west-3"}, "https://sts.eu-west-3.amazonaws.com/"),
        (
            {"s3_endpoint": "https://s3.eu-west-3.amazonaws.com", "s3_region": "eu-west-3"},
            "https://sts.eu-west-3.amazonaws.com/",
        ),
        (
            {"s3_endpoint": "https://s3.cn-north-1.amazonaws.com.cn", "s3_region": "cn-north-1"},
            "https://sts.cn-north-1.amazonaws.com.cn/",
        ),
        ({"s3_endpoint": "https://amazonaws.com.example.org"}, "https://amazonaws.com.example.org/"),
        ({"s3_endpoint": "http://one:1", "s3_sts_endpoint": "https://two"}, "https://two/"),
    ],
)
def test_sessions_are_given_where_objects_are_or_at_the_clouds_own(given: dict[str, str], place: str) -> None:
    assert token_service(Settings.model_validate(given)) == place


def test_a_sessions_policy_names_one_tenant_and_fits() -> None:
    policy = session_policy("b" * 63, TENANT, "aws-us-gov")
    assert len(json.dumps(policy)) < 2048
    objects, listing = policy["Statement"]
    assert objects["Resource"] == [f"arn:aws-us-gov:s3:::{'b' * 63}/{TENANT}/*"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": [f"{TENANT}/*"]}}
    assert not any("*" in action for statement in policy["Statement"] for action in statement["Action"])


def test_a_session_shows_no_secret() -> None:
    assert "swordfish" not in repr(StoreSession("key", "swordfish", "swordfish-token", 1.0, 1.0))


@pytest.mark.parametrize("role", ["", "arn:aws:iam::1:user/x", "admin", "arn:aws:s3:::bucket", "USER"])
def test_a_role_that_is_none_is_refused_at_start(role: str) -> None:
    with pytest.raises(ValidationError, match="s3_tenant_role"):
        Settings.model_validate({"s3_tenant_role": role})
