"""Tokens that functions sign for each other: what they allow, and what is refused."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from functions.kit import service_tokens
from functions.kit.authorisation import authorise
from functions.kit.errors import DependencyUnavailable, Forbidden, Internal, Unauthenticated
from functions.kit.principal import Principal, Role
from functions.kit.secrets import create_key_file, rotate_key_file
from functions.kit.service_tokens import OnBehalf, ServiceTokens, is_service_token
from functions.kit.settings import TenantSettings
from functions.kit.tenancy import Tenant, TenantSuspended

BEHALF = OnBehalf("t1", user_id="u1", api_key_id="k1", groups=frozenset({"g1"}), models=frozenset({"gpt-4o"}))
CALL = frozenset({"llm:call"})


class Tenants:
    """A directory of two tenants."""

    async def find(self, tenant_id: str) -> Tenant | None:
        status = {"t1": "active", "t2": "suspended"}.get(tenant_id)
        return Tenant(tenant_id, tenant_id, status, "pro", "db", TenantSettings()) if status else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_key_file(tmp_path / "service.json", "service")
    return tmp_path / "service.json"


def tokens(path: Path | None, platform: str = "dcoder") -> ServiceTokens:
    return ServiceTokens(path, Tenants(), platform_id=platform, tenant_claim="tenant_id")  # type: ignore[arg-type]


def signed(path: Path, *, kid: str | None = None, **changed: Any) -> str:
    """A token like ours, but for what is changed; None takes a claim out."""
    document = json.loads(path.read_text())
    claims = jwt.decode(tokens(path).mint("f", BEHALF, CALL), options={"verify_signature": False})
    claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(document["keys"][document["active"]]))
    headers = {"kid": kid or document["active"], "typ": "dcoder-service+jwt"}
    return jwt.encode(claims, key, algorithm="EdDSA", headers=headers)


async def test_it_says_for_whom_and_for_what(path: Path) -> None:
    token = tokens(path).mint("knowledge-ingest", BEHALF, CALL)
    assert is_service_token(token)
    assert await tokens(path).verify(token) == Principal(
        subject="knowledge-ingest",
        kind="service",
        tenant_id="t1",
        roles=frozenset({Role.USER}),
        api_key_id="k1",
        user_id="u1",
        plan="pro",
        groups=frozenset({"g1"}),
        models=frozenset({"gpt-4o"}),
        actions=CALL,
    )


async def test_it_allows_its_actions_and_no_other_tenant(path: Path) -> None:
    principal = await tokens(path).verify(tokens(path).mint("f", OnBehalf("t1", roles=frozenset({Role.ADMIN})), CALL))
    authorise(principal, "llm:call", "t1")
    for action, tenant in (("providers:read", "t1"), ("llm:call", "t2")):
        with pytest.raises(Forbidden):
            authorise(principal, action, tenant)


def test_the_operators_power_does_not_travel() -> None:
    operator = Principal("s", "user", None, frozenset({Role.SUPERADMIN}))
    assert OnBehalf.of(operator, "t1").roles == {Role.ADMIN}
    user = Principal("s", "user", "t1", frozenset({Role.USER}), user_id="u1", groups=frozenset({"g"}))
    assert OnBehalf.of(user, "t1") == OnBehalf("t1", user_id="u1", groups=frozenset({"g"}))


async def test_older_keys_verify_after_a_rotation(path: Path) -> None:
    use = tokens(path)
    before = use.mint("f", BEHALF, CALL)
    assert rotate_key_file(path) == "service-2"
    after = use.mint("f", BEHALF, CALL)
    assert jwt.get_unverified_header(after)["kid"] == "service-2"
    for token in (before, after):
        assert (await tokens(path).verify(token)).tenant_id == "t1"


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "https://api.dcoder.local"},
        {"iss": "dcoder:other"},
        {"sub": None},
        {"tenant_id": None},
        {"kid": "service-9"},
    ],
    ids=str,
)
async def test_others_are_refused(path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        await tokens(path).verify(signed(path, **changed))


async def test_a_changed_or_unsigned_token_is_refused(path: Path, tmp_path: Path) -> None:
    head, body, signature = tokens(path).mint("f", BEHALF, CALL).split(".")
    create_key_file(tmp_path / "other.json", "service")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"service-1","typ":"dcoder-service+jwt"}').decode().rstrip("=")
    forged = base64.urlsafe_b64encode(json.dumps({"tenant_id": "t2"}).encode()).decode().rstrip("=")
    for token in (
        f"{head}.{forged}.{signature}",
        f"{none}.{body}.",
        f"{head}.{body}.",
        tokens(tmp_path / "other.json").mint("f", BEHALF, CALL),
    ):
        with pytest.raises(Unauthenticated):
            await tokens(path).verify(token)


async def test_having_been_verified_does_not_outlive_the_expiry(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use = tokens(path)
    token = signed(path, exp=int(time.time()) - 5)
    assert (await use.verify(token)).tenant_id == "t1"
    monkeypatch.setattr(service_tokens, "_LEEWAY_SECONDS", 0)
    with pytest.raises(Unauthenticated, match="expired"):
        await use.verify(token)


async def test_a_tenant_that_may_not_call_or_is_not_there(path: Path) -> None:
    with pytest.raises(TenantSuspended):
        await tokens(path).verify(tokens(path).mint("f", OnBehalf("t2"), CALL))
    with pytest.raises(Forbidden):
        await tokens(path).verify(tokens(path).mint("f", OnBehalf("t9"), CALL))


async def test_without_a_key_file(path: Path) -> None:
    with pytest.raises(Internal):
        tokens(None).mint("f", BEHALF, CALL)
    use, token = tokens(path), tokens(path).mint("f", BEHALF, CALL)
    path.rename(path.with_suffix(".gone"))  # noqa: ASYNC240
    with pytest.raises(DependencyUnavailable):
        await use.verify(token)


@pytest.mark.parametrize("token", ["", "a.b.c", "bm90IGpzb24.b.c", "W10.b.c", "é.b.c", "eyJ0eXAiOiJKV1QifQ.b.c"])
def test_what_is_none_of_them(token: str) -> None:
    assert not is_service_token(token)


async def test_brackets_within_brackets_are_no_token(path: Path) -> None:
    head = base64.urlsafe_b64encode(b"[" * 6_000).decode()
    assert not is_service_token(f"{head}.e30.c2ln")
    with pytest.raises(Unauthenticated):
        await tokens(path).verify(f"{head}.e30.c2ln")
