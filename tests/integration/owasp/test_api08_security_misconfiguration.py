"""API8:2023. What answers says nothing of how it is made, and nothing is open that need not be."""

import json
from typing import Any

import aiohttp
import psutil
import pytest

from tests.integration.owasp.routes import envelope
from tests.platform import Api, Platform, Tenant

INTERNAL = [
    "/metrics",
    "/openapi.json",
    "/docs",
    "/redoc",
    "/debug",
    "/admin",
    "/server-status",
    "/fn/gateway-chat",
    "/_edge/to/gateway-chat",
    "/health",
    "/.env",
    "/.git/config",
    "/v1/../metrics",
    "/actuator/health",
]


@pytest.mark.parametrize("path", INTERNAL)
async def test_what_is_internal_is_not_at_the_edge(api: Api, tenant: Tenant, path: str) -> None:
    async with api.session.get(f"{api.base}{path}", headers={"authorization": f"Bearer {tenant.key}"}) as answer:
        assert answer.status in {400, 404}, await answer.text()


async def answers(api: Api, tenant: Tenant) -> list[Any]:
    mine = api.as_(tenant.key)
    return [
        await mine.call("GET", "/v1/models"),
        await mine.call("GET", "/v1/nowhere"),
        await mine.call("DELETE", "/v1/models"),
        await mine.call("POST", "/v1/chat/completions", data=b"{"),
        await api.call("GET", "/v1/models"),
        await mine.call("GET", "/v1/tenants"),
    ]


async def test_every_answer_has_the_headers_that_browsers_heed(api: Api, tenant: Tenant) -> None:
    for reply in await answers(api, tenant):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-request-id"]


async def test_no_answer_names_what_made_it(api: Api, tenant: Tenant) -> None:
    for reply in await answers(api, tenant):
        told = {"server", "x-powered-by", "via", "x-aspnet-version"} & set(reply.headers)
        assert not told, told
        assert reply.status == 200 or envelope(reply.body)


async def test_strangers_pages_may_not_read(api: Api, tenant: Tenant) -> None:
    for origin in ("https://evil.example", "null", "http://localhost.evil.example", "https://127.0.0.1.evil.example"):
        reply = await api.as_(tenant.key).call("GET", "/v1/models", origin=origin)
        assert reply.headers.get("access-control-allow-origin", "") in {""}
        assert "access-control-allow-credentials" not in reply.headers or not reply.headers.get(
            "access-control-allow-origin"
        )


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "DEBUG"])
async def test_odd_methods_are_refused(api: Api, tenant: Tenant, method: str) -> None:
    try:
        reply = await api.as_(tenant.key).call(method, "/v1/models")
    except aiohttp.ClientError:
        return
    assert reply.status in {400, 404, 405, 501}


def test_everything_listens_on_this_machine_alone(platform: Platform) -> None:
    # Asked now: other tests kill components, which come back as other processes.
    for component in json.loads(platform.dcoder("status", "--json").stdout)["components"].values():
        if pid := component.get("pid"):
            for listener in psutil.Process(pid).net_connections("inet"):
                if listener.status == psutil.CONN_LISTEN:
                    assert listener.laddr.ip == "127.0.0.1"
