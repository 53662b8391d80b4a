"""Which calls have a record, and what its text is."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.kit.audit import canonical, is_audited, outcome_of, record_of_error, record_of_success
from functions.kit.context import RequestContext, serving
from functions.kit.principal import Principal, Role

TENANT = "01a21795-50de-7370-9ed5-386f41cb0c86"
OTHER = "01a21795-50de-7370-9ed5-386f41cb0c87"


@pytest.mark.parametrize(
    ("method", "action", "audited"),
    [
        ("POST", "tenants:create", True),
        ("PUT", "providers:write", True),
        ("PATCH", "tenants:update", True),
        ("DELETE", "api-keys:write", True),
        ("GET", "tenants:read", False),
        ("POST", "llm:call", False),
        ("POST", "knowledge:search", False),
        ("POST", "public", False),
        ("GET", "auth:sign-in", True),
        ("POST", "auth:sign-out", True),
    ],
)
def test_what_changes_something_is_audited(method: str, action: str, audited: bool) -> None:
    assert is_audited(method, action) is audited


def test_outcomes() -> None:
    assert [outcome_of(status) for status in (201, 302, 401, 403, 404, 422, 429, 500, 503)] == [
        "success", "success", "denied", "denied", "refused", "refused", "refused", "failed", "failed",
    ]  # fmt: skip


def test_records_are_canonical() -> None:
    """RFC 8785, section 3.2.2: control characters short or in lower-case hex, all else as it is; keys sorted."""
    assert canonical({"b": 1, "a": '€$\x0f\nA\'B"\\\\"/'}) == '{"a":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/","b":1}'


def request(path: str = f"/v1/tenants/{TENANT}", tenant: str = TENANT, agent: bytes = b"curl") -> Request:
    return Request(
        {
            "type": "http", "method": "PATCH", "path": path, "headers": [(b"user-agent", agent)],
            "query_string": b"", "path_params": {"tenantId": tenant},
        }
    )  # fmt: skip


def person(tenant_id: str | None, role: Role) -> RequestContext:
    return RequestContext("r", principal=Principal("somebody", "user", tenant_id, frozenset({role})))


def test_a_record_goes_to_whom_it_concerns_and_never_to_a_tenant_that_a_stranger_names() -> None:
    with serving(person(OTHER, Role.ADMIN)):
        assert record_of_error(request(), "tenants:update", 403, "forbidden").chain == OTHER
    with serving(person(None, Role.SUPERADMIN)):
        assert record_of_success(request(), "tenants:update", Response()).chain == TENANT
        assert record_of_error(request(), "tenants:update", 404, "tenant_not_found").chain == "platform"
        assert record_of_success(request(tenant="x'; --"), "tenants:update", Response()).chain == "platform"
    with serving(RequestContext("r")):
        assert record_of_error(request(), "tenants:update", 401, "unauthenticated").chain == "platform"


def test_hostile_text_is_made_harmless_and_short() -> None:
    with serving(RequestContext("r")):
        record = record_of_error(request("/v1/\x00\x1b[31m" + "x" * 5000, agent=b"a\x00b\xff\x85"), "a:b", 401, "c")
    assert "\x00" not in record.text
    assert "\\u0000" not in record.text
    assert len(record.text) < 1500
