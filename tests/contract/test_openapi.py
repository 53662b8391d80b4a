"""Every function's OpenAPI document against the running function: no 5xx, no answer the document does not describe."""

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    unsupported_method,
)

from docs.generate import openapi
from tests.platform import Platform

if TYPE_CHECKING:
    Case = schemathesis.Case[Any]
else:
    Case = schemathesis.Case
# Streams that never end and pages for browsers, which answer with redirects, are tried in tests of their own.
OTHERS = r"/live$|/ingestion-jobs/.*/events$|/v1/auth/|/signed-out$"
schema = schemathesis.openapi.from_dict(json.loads(openapi())).exclude(path_regex=OTHERS)
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def tenant_key(platform: Platform, operator_token: str) -> str:
    slug = f"t-{uuid.uuid4().hex[:12]}"
    made = requests.post(
        f"{platform.edge}/v1/tenants",
        json={"name": slug, "slug": slug},
        headers={"authorization": f"Bearer {operator_token}"},
        timeout=30,
    )
    return str(made.json()["apiKey"]["secret"])


@schema.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_as_the_operator(case: Case, platform: Platform, operator_token: str) -> None:
    validate(case, platform, operator_token)


@schema.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_as_a_tenant(case: Case, platform: Platform, tenant_key: str) -> None:
    validate(case, platform, tenant_key)


def validate(case: Case, platform: Platform, credential: str) -> None:
    case.call_and_validate(
        base_url=platform.edge,
        headers={"Authorization": f"Bearer {credential}"},
        checks=CHECKS,
        excluded_checks=[unsupported_method],
        timeout=30,
    )


def test_the_document_names_every_error_envelope() -> None:
    document = json.loads(openapi())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            schema = operation["responses"]["default"]["content"]["application/json"]["schema"]
            named = {one["$ref"].rpartition("/")[2] for one in schema.get("anyOf", [schema])}
            assert "ErrorEnvelope" in named, f"{method} {path}"
