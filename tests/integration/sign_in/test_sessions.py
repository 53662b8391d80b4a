"""A session's tokens: refreshed once, kept while the provider is away, ended when it says so; sealed in Redis."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from functions.kit.errors import DependencyUnavailable, Unauthenticated
from functions.kit.runtime import Runtime
from functions.kit.session_store import Session, SessionId
from functions.kit.settings import Settings
from tests.integration.sign_in.issuer import Issuer, running_issuer
from tests.integration.stateful.nats.servers import free_port
from tests.platform import Platform

pytestmark = pytest.mark.integration
TENANT = "0190a000-0000-7000-8000-000000000001"


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as running:
        yield running


@pytest.fixture
async def runtime(platform: Platform, issuer: Issuer) -> AsyncIterator[Runtime]:
    started = Runtime(settings(platform, issuer))
    yield started
    await started.close()


def settings(platform: Platform, issuer: Issuer, **changes: Any) -> Settings:
    given = {
        "redis_url": platform.status["credentials"]["redisUrl"],
        "oidc_issuer": issuer.url,
        "oidc_jwks_url": f"{issuer.url}/jwks",
        "oidc_client_id": "platform",
        "oidc_client_secret": "secret",
        "public_url": "http://127.0.0.1:8000",
    }
    return Settings.model_validate({**given, **changes})


def session(refresh_token: str | None, *, exp: float, **fields: Any) -> Session:
    return Session(
        claims={"sub": "ada", "exp": exp},
        refresh_token=refresh_token,
        id_token=None,
        organization_id=None,
        name="Ada",
        email="ada@example.com",
        created_at=fields.pop("created_at", time.time()),
    )


async def begun(runtime: Runtime, issuer: Issuer, *, exp: float = 0, **fields: Any) -> SessionId:
    return await runtime.sessions.store.begin(TENANT, session(issuer.grant(roles=["user"]), exp=exp, **fields))


async def opened(runtime: Runtime, session_id: SessionId) -> Session:
    return await runtime.sessions.open(session_id, {}, "GET")


async def test_many_at_once_refresh_once(runtime: Runtime, issuer: Issuer) -> None:
    session_id = await begun(runtime, issuer)
    await asyncio.gather(*(opened(runtime, session_id) for _ in range(20)))
    assert issuer.asked_to_refresh == 1
    fresh = await opened(runtime, session_id)
    assert fresh.claims["roles"] == ["user"]
    assert fresh.claims["exp"] > time.time()
    assert fresh.refresh_token not in issuer.used
    assert issuer.asked_to_refresh == 1


async def test_two_processes_refresh_once(platform: Platform, runtime: Runtime, issuer: Issuer) -> None:
    other = Runtime(settings(platform, issuer))
    try:
        session_id = await begun(runtime, issuer)
        await asyncio.gather(*(opened(one, session_id) for _ in range(5) for one in (runtime, other)))
        assert (await opened(other, session_id)).claims["exp"] > time.time()
    finally:
        await other.close()
    assert issuer.asked_to_refresh == 1


async def test_while_the_provider_is_away_a_session_goes_on(runtime: Runtime, issuer: Issuer) -> None:
    session_id = await begun(runtime, issuer)
    await issuer.stop()
    assert (await opened(runtime, session_id)).subject == "ada"
    await issuer.start()


@pytest.mark.parametrize("refusal", ["invalid_client", "temporarily_unavailable", "server_error"])
async def test_a_fault_of_configuration_signs_nobody_out(runtime: Runtime, issuer: Issuer, refusal: str) -> None:
    session_id = await begun(runtime, issuer)
    issuer.refusal = refusal
    assert (await opened(runtime, session_id)).subject == "ada"


@pytest.mark.parametrize("refusal", ["invalid_grant", "access_denied"])
async def test_when_the_provider_ends_it_it_is_over(runtime: Runtime, issuer: Issuer, refusal: str) -> None:
    session_id = await begun(runtime, issuer)
    issuer.refusal = refusal
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await opened(runtime, session_id)
    assert issuer.asked_to_refresh == 1


async def test_without_a_refresh_token_it_ends_with_the_access_token(runtime: Runtime) -> None:
    session_id = await runtime.sessions.store.begin(TENANT, session(None, exp=time.time() - 1))
    with pytest.raises(Unauthenticated):
        await opened(runtime, session_id)


async def test_it_ends_after_its_lifetime_however_much_it_is_used(runtime: Runtime, issuer: Issuer) -> None:
    old = time.time() - runtime.settings.session_lifetime_seconds
    session_id = await begun(runtime, issuer, exp=time.time() + 600, created_at=old)
    with pytest.raises(Unauthenticated):
        await opened(runtime, session_id)


async def test_it_rests_no_longer_than_allowed(runtime: Runtime, issuer: Issuer) -> None:
    session_id = await begun(runtime, issuer, exp=time.time() + 600)
    key = f"session:{session_id.digest}"
    await runtime.redis.expire(key, 5)
    await opened(runtime, session_id)
    assert await runtime.redis.ttl(key) > 5
    assert await runtime.redis.ttl(key) <= runtime.settings.session_idle_seconds


async def test_signed_out_while_a_refresh_is_under_way_it_stays_so(runtime: Runtime, issuer: Issuer) -> None:
    session_id = await begun(runtime, issuer)
    known = await runtime.sessions.store.find(session_id)
    assert known is not None
    await runtime.sessions.store.end(session_id)
    assert not await runtime.sessions.store.replace(session_id, replace(known, name="Back"))
    with pytest.raises(Unauthenticated):
        await opened(runtime, session_id)


async def test_all_of_an_account_end_or_those_with_one_tenant(runtime: Runtime, issuer: Issuer) -> None:
    later, store = time.time() + 600, runtime.sessions.store
    first, second = [await begun(runtime, issuer, exp=later) for _ in range(2)]
    elsewhere = await store.begin(None, session(None, exp=later))
    assert await store.end_all("ada", TENANT) >= 2
    assert [await store.find(each) is None for each in (first, second, elsewhere)] == [True, True, False]
    await store.end_all("ada")
    assert await store.find(elsewhere) is None
    assert await store.end_all("ada") == 0


async def test_redis_holds_neither_the_id_nor_a_token(runtime: Runtime, issuer: Issuer) -> None:
    session_id = await begun(runtime, issuer, exp=time.time() + 600)
    stored = await runtime.redis.get(f"session:{session_id.digest}")
    assert isinstance(stored, bytes)
    assert b"ada" not in stored
    for secret in (session_id.value, session_id.value.split(".")[2], next(iter(issuer.tokens))):
        assert secret.encode() not in stored
        assert [key async for key in runtime.redis.scan_iter(f"*{secret}*")] == []
    # Under another id, or changed, it does not open.
    other = SessionId.new(TENANT)
    assert other.open(stored) is None
    await runtime.redis.set(f"session:{session_id.digest}", stored[:-1] + bytes([stored[-1] ^ 1]))
    with pytest.raises(Unauthenticated):
        await opened(runtime, session_id)


async def test_while_redis_is_away_nobody_is_called_signed_out(platform: Platform, issuer: Issuer) -> None:
    lonely = Runtime(settings(platform, issuer, redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    cookie = f"dcoder_session={SessionId.new(TENANT).value}"
    try:
        with pytest.raises(DependencyUnavailable) as refused:
            await lonely.authenticator.authenticate({"cookie": cookie}, method="GET")
    finally:
        await lonely.close()
    assert refused.value.retry_after
    assert refused.value.details == {"dependency": "redis"}


async def test_a_session_is_for_the_tenant_that_its_id_names(runtime: Runtime) -> None:
    claims = {"sub": "ada", "exp": time.time() + 600, "roles": ["superadmin"]}
    for tenant_id, fits in ((None, True), (TENANT, False)):
        session_id = await runtime.sessions.store.begin(tenant_id, replace(session(None, exp=0), claims=claims))
        headers = {"cookie": f"other=1; dcoder_session={session_id.value}"}
        if fits:
            assert (await runtime.authenticator.authenticate(headers, method="GET")).is_superadmin
        else:
            with pytest.raises(Unauthenticated):
                await runtime.authenticator.authenticate(headers, method="GET")
