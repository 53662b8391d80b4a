"""What signed-in browsers and those that sign in see while Redis or the identity provider is away."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.integration.sign_in.browser import Browser
from tests.integration.sign_in.conftest import SESSION, NewBrowser, NewPerson
from tests.integration.slice.test_outages import stopped
from tests.platform import Api, Platform, Tenant, eventually

pytestmark = pytest.mark.integration


@contextmanager
def dead(platform: Platform, component: str) -> Iterator[None]:
    """Killed and kept from coming back: its address refuses connections."""
    report = json.loads(platform.dcoder("status", "--json").stdout)
    supervisor = psutil.Process(report["supervisor"]["pid"])
    pid = platform.pid(component)
    supervisor.suspend()
    try:
        os.kill(pid, signal.SIGKILL)
        yield
    finally:
        supervisor.resume()


async def test_while_redis_hangs_a_signed_in_browser_is_told_to_come_back(
    platform: Platform, tenant: Tenant, browser: Browser, new_person: NewPerson, api: Api
) -> None:
    await browser.sign_in(new_person(tenant, role="admin"))
    await browser.me()
    with stopped(platform, "redis"):
        for reply in (
            await browser.call("GET", f"/v1/tenants/{tenant.id}/users"),
            await browser.call("GET", "/v1/auth/me"),
            await browser.call("POST", "/v1/auth/logout"),
            await browser.call("GET", "/v1/auth/login"),
        ):
            assert (reply.status, reply.code) == (503, "dependency_unavailable")
            assert int(reply.headers["retry-after"]) >= 1
        # Keys need no Redis.
        assert (await api.as_(tenant.key).call("GET", f"/v1/tenants/{tenant.id}/users")).status == 200
    assert browser.has(SESSION)

    async def back() -> bool:
        return (await browser.call("GET", f"/v1/tenants/{tenant.id}/users")).status == 200

    await eventually(back)


async def test_while_the_provider_is_dead_sessions_and_tokens_go_on_and_sign_in_waits(
    platform: Platform, tenant: Tenant, browser: Browser, new_person: NewPerson, new_browser: NewBrowser, api: Api
) -> None:
    person = new_person(tenant, role="admin")
    await browser.sign_in(person)
    await browser.me()
    token = platform.token("--role", "admin", "--tenant", tenant.id)
    assert (await api.as_(token).call("GET", f"/v1/tenants/{tenant.id}/users")).status == 200
    newcomer = new_browser()
    callback = await newcomer.to_callback(await newcomer.login("/x"), person)
    with dead(platform, "oidc"):
        assert (await browser.call("GET", f"/v1/tenants/{tenant.id}/users")).status == 200
        made = await browser.call("POST", f"/v1/tenants/{tenant.id}/groups", {"name": "meanwhile"})
        assert made.status == 201
        assert (await api.as_(token).call("GET", f"/v1/tenants/{tenant.id}/users")).status == 200
        waiting = await newcomer.visit(callback)
        assert (waiting.status, waiting.code) == (503, "dependency_unavailable")
        assert int(waiting.headers["retry-after"]) >= 1
        out = await browser.call("POST", "/v1/auth/logout")
        assert (out.status, out.body) == (200, {"logoutUrl": None})
        assert (await browser.me()).status == 401

    async def signs_in() -> bool:
        try:
            await newcomer.sign_in(person)
        except (OSError, AssertionError):
            return False
        return (await newcomer.me()).status == 200

    await eventually(signs_in, 30)
