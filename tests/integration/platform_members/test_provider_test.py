"""POST /v1/tenants/{tenantId}/providers/{name}/test against the simulator."""

from typing import Any

import pytest

from tests.integration.platform_members.conftest import Admin
from tests.platform import Platform

pytestmark = pytest.mark.integration

KEY = "sk-test-never-shown-0123456789"
BASES = {
    "openai": "openai/v1",
    "anthropic": "anthropic/v1",
    "google": "google/v1beta",
    "vertex": "vertex/v1/projects/p/locations/global",
    "groq": "groq/openai/v1",
}


def provider(platform: Platform, kind: str, **fields: Any) -> dict[str, Any]:
    base = f"{platform.simulator}/{BASES[kind]}"
    return {"name": kind, "kind": kind, "apiKey": f"{KEY}-{kind}", "baseUrl": base, **fields}


async def put(admin: Admin, *providers: dict[str, Any]) -> None:
    stored = await admin("PUT", "/providers", {"providers": list(providers)})
    assert stored.status == 200, stored.body


async def test_every_kind_is_tested(platform: Platform, admin: Admin) -> None:
    await put(admin, *(provider(platform, kind) for kind in BASES))
    for kind in BASES:
        reply = await admin("POST", f"/providers/{kind}/test")
        assert (reply.status, reply.body["ok"], reply.body["error"]) == (200, True, None), (kind, reply.body)
        assert reply.body["latencyMs"] >= 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [("401", "authentication_failed"), ("429", "rate_limited"), ("503", "provider_error")],
)
async def test_what_can_be_wrong_at_the_provider(platform: Platform, admin: Admin, fault: str, code: str) -> None:
    key = f"{KEY}-{admin.tenant.slug}"
    kinds = ["openai", "google", "anthropic"]
    await put(admin, *(provider(platform, kind, apiKey=key) for kind in kinds))
    session = admin.api.session
    rule = {"key": key, "fault": fault}
    async with session.post(f"{platform.simulator}/_sim/faults", json=rule) as made:
        assert made.status < 300, await made.text()
    for kind in kinds:
        reply = await admin("POST", f"/providers/{kind}/test")
        assert (reply.status, reply.body["ok"], reply.body["error"]["code"]) == (200, False, code)
        assert KEY not in str(reply.body)


async def test_what_can_be_wrong_before_it(platform: Platform, admin: Admin) -> None:
    await put(
        admin,
        provider(platform, "openai", baseUrl=f"{platform.simulator}/nowhere"),
        provider(platform, "groq", apiKey=None, secretRef="vault://groq#key"),
        provider(platform, "vertex", apiKey='{"client_email": "a@b.c", "private_key": "none"}'),
        {"name": "far", "kind": "openai", "apiKey": KEY},
    )
    codes = {}
    for name in ("openai", "groq", "vertex", "far"):
        reply = await admin("POST", f"/providers/{name}/test")
        assert (reply.status, reply.body["ok"]) == (200, False), reply.body
        assert KEY not in str(reply.body)
        codes[name] = reply.body["error"]["code"]
    far = codes.pop("far")
    assert codes == {"openai": "not_found", "groq": "key_elsewhere", "vertex": "authentication_failed"}
    # Where there is an Internet, the key is wrong; where there is none, nobody is there.
    assert far in {"unreachable", "timeout", "authentication_failed", "tls_failed"}
    missing = await admin("POST", "/providers/none/test")
    assert (missing.status, missing.code) == (404, "provider_not_found")
