"""The Kong adapter against Kong's documented Admin API."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from functions.kit.errors import DependencyUnavailable
from functions.kit.settings import Settings
from functions.platform.adapters.edge_kong import KongEdgeAdmin, KongRates
from functions.platform.core.edge import EdgeAdmin, EdgeTenant, coarse_limit
from functions.platform.core.models import Plan
from kong.policy import load_policy
from kong.render import TENANTS
from tests.unit.kong.kong_admin import KongAdmin, serving

ACME = EdgeTenant("t1", "acme", "standard", "active", ("a" * 64, "b" * 64), ("c" * 64,))
ZETA = EdgeTenant("t2", "zeta", "enterprise", "suspended", ("d" * 64,))
RATES = KongRates(
    {"": 100, "standard": 6500, "enterprise": 62_000},
    ("gateway-chat", "gateway-embeddings"),
    {"host": "redis", "port": 6379},
)


@pytest.fixture
def kong() -> KongAdmin:
    return KongAdmin()


@pytest.fixture
async def admin(kong: KongAdmin) -> AsyncIterator[KongEdgeAdmin]:
    async with serving(kong) as url, aiohttp.ClientSession() as http:
        yield KongEdgeAdmin(http, f"{url}/", "", RATES)


def consumer(kong: KongAdmin, tenant: EdgeTenant) -> dict[str, str]:
    (found,) = kong.of("consumers", custom_id=tenant.id)
    return {"id": found["id"]}


def minutes(kong: KongAdmin, tenant: EdgeTenant) -> list[int]:
    plugins = kong.of("plugins", name="rate-limiting", consumer=consumer(kong, tenant))
    return sorted(plugin["config"]["minute"] for plugin in plugins)


async def test_a_tenant_is_a_consumer_with_keys_group_and_pace(kong: KongAdmin, admin: EdgeAdmin) -> None:
    await admin.sync([ACME, ZETA])
    assert {c["username"] for c in kong.all("consumers")} == {"tenant-t1", "tenant-t2"}
    mine = consumer(kong, ACME)
    assert {key["key"] for key in kong.of("key-auths", consumer=mine)} == {"a" * 64, "b" * 64}
    assert {acl["group"] for acl in kong.of("acls", consumer=mine)} == {TENANTS, "standard"}
    (pace,) = kong.of("plugins", consumer=mine)
    assert (pace["config"]["minute"], pace["config"]["limit_by"], pace["config"]["policy"]) == (
        6500,
        "consumer",
        "redis",
    )


async def test_what_is_right_is_left_alone(kong: KongAdmin, admin: EdgeAdmin) -> None:
    tenants = [ACME, replace(ZETA, requests_per_minute=60), EdgeTenant("t3", "x", "odd", "active")]
    await admin.sync(tenants)
    kong.calls.clear()
    await admin.sync(list(reversed(tenants)))
    assert kong.writes() == []
    assert minutes(kong, tenants[2]) == [100]


async def test_a_quota_is_a_pace_of_the_services_that_call_models(kong: KongAdmin, admin: EdgeAdmin) -> None:
    await admin.sync([replace(ACME, requests_per_minute=60)])
    assert minutes(kong, ACME) == [coarse_limit(60), coarse_limit(60), 6500]
    services = {p["service"]["id"] for p in kong.all("plugins") if p.get("service")}
    assert services == {service["id"] for service in kong.all("services")}
    await admin.sync([replace(ACME, requests_per_minute=30)])
    assert minutes(kong, ACME) == [coarse_limit(30), coarse_limit(30), 6500]
    await admin.sync([ACME])
    assert minutes(kong, ACME) == [6500]


async def test_a_suspended_tenant_is_refused_until_it_is_no_longer(kong: KongAdmin, admin: EdgeAdmin) -> None:
    await admin.sync([ZETA])
    (refusal,) = kong.of("plugins", name="request-termination")
    assert refusal["config"]["status_code"] == 403
    assert '"tenant_suspended"' in refusal["config"]["body"]
    await admin.sync([replace(ZETA, status="active")])
    assert kong.of("plugins", name="request-termination") == []


async def test_what_is_no_more_is_removed_and_what_is_not_ours_stays(kong: KongAdmin, admin: EdgeAdmin) -> None:
    kong.entities["consumers"]["x"] = {"username": "anonymous", "tags": ["dcoder"]}
    await admin.sync([ACME, ZETA])
    await admin.sync([replace(ACME, key_hashes=("a" * 64, "e" * 64))])
    assert {c["username"] for c in kong.all("consumers")} == {"anonymous", "tenant-t1"}
    assert {key["key"] for key in kong.all("key-auths")} == {"a" * 64, "e" * 64}
    assert (len(kong.entities["acls"]), len(kong.entities["plugins"])) == (2, 1)


async def test_many_pages(kong: KongAdmin, admin: EdgeAdmin) -> None:
    many = [EdgeTenant(f"t{n}", f"s{n}", "standard", "active", (f"{n:064x}",)) for n in range(20)]
    await admin.sync(many)
    kong.calls.clear()
    await admin.sync(many)
    assert kong.writes() == []
    assert len([path for _, path in kong.calls if path == "/consumers"]) == 7


async def test_a_key_that_stands_under_another_id_gives_way(kong: KongAdmin, admin: EdgeAdmin) -> None:
    kong.entities["consumers"]["old"] = {"username": "made-by-hand"}
    kong.entities["key-auths"]["old-key"] = {"key": "a" * 64, "consumer": {"id": "old"}}
    await admin.sync([ACME])
    (key,) = kong.of("key-auths", key="a" * 64)
    assert key["consumer"] == consumer(kong, ACME)


@pytest.mark.parametrize("where", [("PUT", "key-auths"), ("GET", "plugins"), ("PUT", "consumers")])
async def test_a_failure_midway_is_made_up_for_by_the_next(
    kong: KongAdmin, admin: EdgeAdmin, where: tuple[str, str]
) -> None:
    kong.failing[where] = 1
    with pytest.raises(DependencyUnavailable):
        await admin.sync([ACME, ZETA])
    await admin.sync([ACME, ZETA])
    assert {key["key"] for key in kong.all("key-auths")} == {"a" * 64, "b" * 64, "d" * 64}


async def test_a_consumer_that_vanishes_meanwhile_is_a_failure_to_try_again(kong: KongAdmin, admin: EdgeAdmin) -> None:
    forget = kong._put

    def put(kind: str, name: str, body: dict[str, Any], owner: str | None) -> Any:
        answer = forget(kind, name, body, owner)
        if kind == "consumers":
            kong.entities["consumers"].clear()
        return answer

    kong._put = put  # type: ignore[method-assign]
    with pytest.raises(DependencyUnavailable, match="404"):
        await admin.sync([ACME])


async def test_the_admin_token_is_sent(kong: KongAdmin) -> None:
    kong.token = "secret"
    async with serving(kong) as url, aiohttp.ClientSession() as http:
        await KongEdgeAdmin(http, url, "secret", RATES).sync([ACME])
        with pytest.raises(DependencyUnavailable):
            await KongEdgeAdmin(http, url, "wrong", RATES).sync([ACME])


async def test_a_kong_that_is_away_is_said_to_be() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(DependencyUnavailable) as away:
            await KongEdgeAdmin(http, "http://127.0.0.1:1", "", RATES).sync([ACME])
    assert away.value.details == {"dependency": "kong"}


@pytest.mark.parametrize(("quota", "edge"), [(0, 10), (1, 11), (60, 72), (6000, 7200)])
def test_the_edge_lets_more_through_than_the_gateway(quota: int, edge: int) -> None:
    assert coarse_limit(quota) == edge


def test_kong_is_told_the_plans_paces_of_the_policy() -> None:
    classes = load_policy().rate_classes
    told = Settings.model_validate({}).kong_plan_rates
    assert told == {plan.value: classes[plan].per_minute + classes[plan].burst for plan in Plan}
