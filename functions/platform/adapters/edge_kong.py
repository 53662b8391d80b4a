"""Kong's record of tenants, through its Admin API (Kong 3.9, documented at developer.konghq.com/admin-api).

A tenant is a consumer with its keys' hashes (plugin key-auth), its plan among its ACL groups, and plugins of its own:
the plan's pace, a pace for calls of models where its quota has one, and the refusal of a suspended tenant. Every
entity's id follows from what it is, so that a second attempt, or a second process, writes the same thing again.
"""

import asyncio
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from functions.kit.errors import DependencyUnavailable
from functions.platform.core.edge import EdgeTenant, coarse_limit

# What the edge's routes let through: a consumer without it gets nowhere, whoever made it.
GROUP = "tenants"
_TAG = "dcoder-tenant"
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "dcoder:kong")
_PAGE = 1000
_AT_ONCE = 8
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_KINDS = ("consumers", "key-auths", "acls", "plugins")
_SUSPENDED = {"error": {"code": "tenant_suspended", "message": "The tenant is suspended.", "details": {}}}
_LIMITED = "Too many requests; try again later."

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KongRates:
    """What limits are made of.

    Attributes:
        plans: requests a minute of each plan, what may come at once included; `""` for any other plan.
        services: Kong's names of the functions that call models.
        redis: the plugin's `redis` configuration.
    """

    plans: Mapping[str, int]
    services: Sequence[str]
    redis: Body


@dataclass(frozen=True, slots=True)
class _Entity:
    """Something that Kong is to have.

    Attributes:
        path: where it is put.
        body: what it is; nested fields that Kong adds by itself are not compared.
    """

    kind: str
    id: str
    path: str
    body: Body


class KongEdgeAdmin:
    """Port `EdgeAdmin` on Kong.

    Args:
        url: of the Admin API.
        token: sent as `Kong-Admin-Token`; empty sends none.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str, rates: KongRates) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Kong-Admin-Token": token} if token else {}
        self._rates = rates
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._one_at_a_time = asyncio.Lock()

    async def sync(self, tenants: Sequence[EdgeTenant]) -> None:
        """Make `tenants` all of ours that Kong knows; what is right already is left alone.

        Raises:
            DependencyUnavailable: Kong is away, or somebody else changes the same things; the next call goes on.
        """
        async with self._one_at_a_time:
            known = {kind: {item["id"]: item async for item in self._all(kind)} for kind in _KINDS}
            wanted = {kind: {} for kind in _KINDS}  # type: dict[str, dict[str, _Entity]]
            for entity in self._wanted(tenants):
                wanted[entity.kind][entity.id] = entity
            # Refusals first: a key that was revoked is gone before anything is added.
            for kind in reversed(_KINDS):
                gone = known[kind].keys() - wanted[kind].keys()
                await self._each(self._remove(kind, name) for name in sorted(gone))
            for kind in _KINDS:
                changed = [e for e in wanted[kind].values() if not _holds(known[kind].get(e.id, {}), e.body)]
                await self._each(self._put(entity) for entity in changed)

    def _wanted(self, tenants: Sequence[EdgeTenant]) -> Iterator[_Entity]:
        for tenant in tenants:
            consumer = _id("consumer", tenant.id)
            below = f"/consumers/{consumer}"
            body = {"username": f"tenant-{tenant.id}", "custom_id": tenant.id, "tags": [_TAG]}
            yield _Entity("consumers", consumer, below, body)
            for key_hash in tenant.key_hashes:
                name = _id("key", tenant.id, key_hash)
                yield _Entity("key-auths", name, f"{below}/key-auth/{name}", {"key": key_hash, "tags": [_TAG]})
            for name in (GROUP, tenant.plan):
                group = _id("acl", tenant.id, name)
                yield _Entity("acls", group, f"{below}/acls/{group}", {"group": name, "tags": [_TAG]})
            for name, scope, config in self._plugins(tenant):
                plugin = _id("plugin", tenant.id, name, *scope.values())
                of = {"consumer": {"id": consumer}, **{part: {"name": value} for part, value in scope.items()}}
                told = {"name": name, "config": config, "tags": [_TAG], **of}
                yield _Entity("plugins", plugin, f"/plugins/{plugin}", told)

    def _plugins(self, tenant: EdgeTenant) -> Iterator[tuple[str, Mapping[str, str], Body]]:
        plans = self._rates.plans
        pace = plans.get(tenant.plan, plans[""])
        yield "rate-limiting", {}, self._limit(pace)
        if tenant.requests_per_minute is not None:
            # Of two plugins of one name Kong runs the one that is scoped more narrowly.
            calls = min(pace, coarse_limit(tenant.requests_per_minute))
            for service in self._rates.services:
                yield "rate-limiting", {"service": service}, self._limit(calls)
        if tenant.status == "suspended":
            body = {"status_code": 403, "content_type": "application/json", "body": json.dumps(_SUSPENDED)}
            yield "request-termination", {}, body

    def _limit(self, per_minute: int) -> Body:
        return {
            "minute": per_minute,
            "limit_by": "consumer",
            "policy": "redis",
            "fault_tolerant": True,
            "error_code": 429,
            "error_message": _LIMITED,
            "redis": self._rates.redis,
        }

    async def _all(self, kind: str) -> Any:
        """Every entity of ours, page by page."""
        following: str | None = f"/{kind}?tags={_TAG}&size={_PAGE}"
        while following is not None:
            _, page = await self._call("GET", following)
            for item in page["data"]:
                yield item
            # Either a path or a whole address, of a name that need not be the one we use.
            after = page.get("next")
            following = f"{urlsplit(after).path}?{urlsplit(after).query}" if after else None

    async def _put(self, entity: _Entity) -> None:
        status, said = await self._call("PUT", entity.path, entity.body)
        if status == 409 and await self._yielded(entity, said):
            status, said = await self._call("PUT", entity.path, entity.body)
        if status not in {200, 201}:
            raise _away(f"Kong answered {status} to {entity.kind}: {str(said)[:300]}")

    async def _yielded(self, entity: _Entity, said: Body) -> bool:
        """Whether what stood in the way, an entity of another id with the same unique field, is removed."""
        field = {"consumers": "username", "key-auths": "key"}.get(entity.kind)
        if field is None or not said.get("fields"):
            return False
        status, holder = await self._call("GET", f"/{entity.kind}/{quote(str(entity.body[field]), safe='')}")
        if status != 200:
            return False
        await self._remove(entity.kind, holder["id"])
        return True

    async def _remove(self, kind: str, name: str) -> None:
        status, said = await self._call("DELETE", f"/{kind}/{name}")
        # Removed with its consumer, or by somebody else: either is what is wanted.
        if status not in {204, 404}:
            raise _away(f"Kong answered {status} to a removal from {kind}: {str(said)[:300]}")

    async def _call(self, method: str, path: str, body: Body | None = None) -> tuple[int, Any]:
        try:
            async with (
                self._slots,
                self._http.request(
                    method, self._url + path, json=body, headers=self._headers, timeout=_TIMEOUT, allow_redirects=False
                ) as answer,
            ):
                said = json.loads(await answer.read() or b"{}")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise _away("Kong's Admin API is not available") from error
        if answer.status >= 500 or answer.status in {401, 403} or (method == "GET" and answer.status == 400):
            raise _away(f"Kong answered {answer.status}")
        return answer.status, said

    @staticmethod
    async def _each(work: Iterable[Any]) -> None:
        results = await asyncio.gather(*work, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


def _holds(known: Body, wanted: Body) -> bool:
    """Whether everything wanted is there as wanted. Of what an entity belongs to Kong tells the id alone."""
    for name, value in wanted.items():
        if isinstance(value, Mapping):
            if name == "service":
                if not known.get(name):
                    return False
            elif not isinstance(known.get(name), Mapping) or not _holds(known[name], value):
                return False
        elif known.get(name) != value:
            return False
    return True


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_NAMES, ":".join(parts)))


def _away(message: str) -> DependencyUnavailable:
    return DependencyUnavailable(message, details={"dependency": "kong"})
