"""API7:2023. No address that a caller gives makes the platform call inside its own network."""

import pytest

from tests.platform import Api, Tenant

# Ways to write addresses that are not a provider's: OWASP SSRF Prevention Cheat Sheet, and metadata services.
ADDRESSES = [
    "http://127.0.0.1:5432/v1",
    "http://localhost/v1",
    "https://localhost/v1",
    "https://127.0.0.1/v1",
    "https://127.1/v1",
    "https://0x7f000001/v1",
    "https://2130706433/v1",
    "https://[::1]/v1",
    "https://[::ffff:127.0.0.1]/v1",
    "https://[64:ff9b::7f00:1]/v1",
    "https://169.254.169.254/latest/meta-data",
    "https://metadata.google.internal/computeMetadata/v1",
    "https://[fd00:ec2::254]/latest",
    "https://10.0.0.1/v1",
    "https://192.168.0.1/v1",
    "https://api.openai.com.example.com/v1",
    "https://api.openai.com@127.0.0.1/v1",
    "https://user:pass@api.openai.com/v1",
    "https://api.openai.com:8443/v1",
    "http://api.openai.com/v1",
    "https://api.openai.com/v1?x=1",
    "https://api.openai.com/v1#x",
    "https://api.openai.com\\@127.0.0.1/v1",
    "https://api.openai.com%2f@127.0.0.1/v1",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "//127.0.0.1/v1",
    "https:///v1",
    "",
]


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_provider_elsewhere_is_refused(api: Api, tenant: Tenant, address: str) -> None:
    provider = {"name": "p", "kind": "openai", "apiKey": "sk-1", "baseUrl": address}
    path = f"/v1/tenants/{tenant.id}/providers"
    reply = await api.as_(tenant.key).call("PUT", path, {"providers": [provider]})
    assert reply.status in {400, 422}, reply.body
    assert address not in str((await api.as_(tenant.key).call("GET", path)).body["providers"]) or not address


@pytest.mark.parametrize("kind", ["openai", "anthropic", "google", "vertex", "groq"])
async def test_a_provider_of_one_kind_is_not_called_at_anothers(api: Api, tenant: Tenant, kind: str) -> None:
    elsewhere = "https://api.groq.com/v1" if kind != "groq" else "https://api.openai.com/v1"
    provider = {"name": "p", "kind": kind, "apiKey": "k", "baseUrl": elsewhere}
    reply = await api.as_(tenant.key).call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": [provider]})
    assert reply.status in {400, 422}, reply.body


@pytest.mark.parametrize("address", [a for a in ADDRESSES if "api.openai.com" not in a])
async def test_a_webhook_inside_is_refused(api: Api, tenant: Tenant, address: str) -> None:
    reply = await api.as_(tenant.key).call("PUT", f"/v1/tenants/{tenant.id}/flags/webhook", {"url": address})
    assert reply.status in {400, 422}, reply.body
