"""Rate limits: per tenant by its plan, and nobody pays for another."""

import asyncio
from dataclasses import replace

import pytest

from functions.kit.principal import hash_api_key
from functions.platform.core.edge import coarse_limit
from tests.integration.edge.conftest import Edge, api_key, eventually, tenant
from tests.integration.edge.test_credentials import session, soon, token

pytestmark = pytest.mark.integration


async def limited(edge: Edge, headers: dict[str, str]) -> bool:
    async with edge.client.get(f"{edge.http}/v1/things", headers=headers) as answer:
        if answer.status == 429:
            error = (await answer.json())["error"]
            assert error["code"] == "rate_limited"
            assert answer.headers["Retry-After"] == "60"
            assert answer.headers["X-Request-Id"]
        else:
            assert answer.status == 200
        return answer.status == 429


async def test_each_tenant_has_its_own_limit(edge: Edge) -> None:
    first, second = api_key(), api_key()
    await edge.tenants.put(tenant("tiny", key=second))
    await edge.tenants.put(tenant("tiny", key=first))
    await eventually(lambda: limited(edge, {"x-api-key": first}))
    assert not await limited(edge, {"x-api-key": second})
    await eventually(lambda: limited(edge, {"Authorization": f"Bearer {second}"}))


async def test_keys_of_one_tenant_share_its_limit(edge: Edge) -> None:
    keys = api_key(), api_key()
    one, two = (tenant("tiny", key=key) for key in keys)
    shared = type(one)(one.id, one.slug, "tiny", "active", (*one.key_hashes, *two.key_hashes))
    await edge.tenants.put(shared)
    await eventually(lambda: limited(edge, {"x-api-key": keys[0]}))
    assert await limited(edge, {"x-api-key": keys[1]})


async def test_claimed_tenant_does_not_use_up_the_real_ones_limit(edge: Edge) -> None:
    key = api_key()
    victim = tenant("tiny", key=key)
    await edge.tenants.put(victim)
    forged = {"Authorization": f"Bearer {token(exp=soon(), tenant_id=victim.id)}"}
    await eventually(lambda: limited(edge, forged))
    assert not await limited(edge, {"x-api-key": key})


async def test_sessions_count_for_their_tenant_and_a_forged_one_for_nobody_else(edge: Edge) -> None:
    key = api_key()
    mine = tenant("tiny", key=key)
    await edge.tenants.put(mine)
    await eventually(lambda: limited(edge, {"Cookie": f"dcoder_session={session(mine.id)}"}))
    assert await limited(edge, {"Cookie": f"__Host-dcoder_session={session(mine.id)}"})
    assert not await limited(edge, {"x-api-key": key})


async def test_claim_that_reads_like_a_key_is_no_way_around_the_limits(edge: Edge) -> None:
    key = api_key()
    await edge.tenants.put(tenant("tiny", key=key))
    await eventually(lambda: limited(edge, {"x-api-key": key}))
    odd = {"Authorization": f"Bearer {token(exp=soon(), tenant_id=hash_api_key(key))}", "X-Request-Id": key[4:]}
    assert not await limited(edge, odd)

    async def logged() -> bool:
        return key[4:] in edge.log()

    await eventually(logged)
    line = next(line for line in edge.log().splitlines() if key[4:] in line)
    assert '"class":"unverified"' in line


async def test_fresh_keys_are_not_held_back(edge: Edge) -> None:
    answers = await asyncio.gather(*(limited(edge, {"x-api-key": api_key()}) for _ in range(300)))
    assert not any(answers)


async def called(edge: Edge, key: str) -> int:
    """The status of a call of a model; when it is refused by the edge, that is well-formed."""
    url, headers = f"{edge.http}/v1/streams/one", {"Authorization": f"Bearer {key}"}
    async with edge.client.post(url, headers=headers, json={}) as answer:
        if answer.status == 429:
            assert (await answer.json())["error"]["code"] == "rate_limited"
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
        return answer.status


async def test_a_tenants_limit_on_calls_a_minute_is_coarsely_the_edges(edge: Edge) -> None:
    key, free = api_key(), api_key()
    await edge.tenants.put(tenant(key=free))
    limited_one = replace(tenant(key=key), requests_per_minute=0)
    await edge.tenants.put(limited_one)
    statuses: list[int] = []

    async def refused() -> bool:
        statuses.append(await called(edge, key))
        return statuses[-1] == 429

    await eventually(refused, seconds=20)
    # What comes before the edge has heard of the tenant is not counted, and a minute may end amid it.
    assert len(statuses) > coarse_limit(0)
    assert await called(edge, free) != 429
    # Only calls of models count: the tenant can still look at what is wrong.
    assert not await limited(edge, {"x-api-key": key})
    await edge.tenants.put(replace(limited_one, requests_per_minute=None))

    async def let_in() -> bool:
        return await called(edge, key) != 429

    await eventually(let_in)
