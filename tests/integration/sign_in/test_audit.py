"""Who came in, who was refused and who left is in the audit trail."""

import secrets
from typing import Any

import pytest

from tests.integration.sign_in.browser import Browser, query_of
from tests.integration.sign_in.conftest import NewPerson
from tests.integration.sign_in.logto import Logto
from tests.platform import Api, Platform, Tenant

pytestmark = pytest.mark.integration


async def trail(api: Api, query: str) -> list[dict[str, Any]]:
    """The records that match, oldest first."""
    found = await api.call("GET", f"/v1/audit?limit=200&{query}")
    assert found.status == 200, found.body
    return list(reversed(found.body["items"]))


async def test_a_sign_in_and_a_sign_out_are_in_the_tenant_s_chain(
    tenant: Tenant, browser: Browser, new_person: NewPerson, as_tenant: Api
) -> None:
    person = new_person(tenant, role="admin")
    await browser.sign_in(person, "/console?tab=1")
    await browser.me()
    assert (await browser.call("POST", "/v1/auth/logout", {"returnTo": "/bye"})).status == 200
    came, left = await trail(as_tenant, f"actor={person.subject}")
    assert (came["action"], came["outcome"], came["chain"]) == ("auth:sign-in", "success", tenant.id)
    assert (came["resource"], came["actor"]["kind"], came["actor"]["roles"]) == (
        "/v1/auth/callback",
        "user",
        ["admin"],
    )
    assert (left["action"], left["outcome"], left["fields"]) == ("auth:sign-out", "success", ["returnTo"])


async def test_an_operator_s_sign_in_is_in_the_platform_s_chain(
    browser: Browser, new_person: NewPerson, operator: Api
) -> None:
    person = new_person(roles=("superadmin",))
    await browser.sign_in(person)
    (came,) = await trail(operator, f"tenantId=platform&actor={person.subject}")
    assert (came["action"], came["outcome"], came["actor"]["roles"]) == ("auth:sign-in", "success", ["superadmin"])


async def test_who_is_refused_is_named_where_it_happened(
    tenant: Tenant, browser: Browser, new_person: NewPerson, as_tenant: Api, operator: Api
) -> None:
    person = new_person(tenant)
    made = await as_tenant.call(
        "POST", f"/v1/tenants/{tenant.id}/users", {"email": person.email, "subject": person.subject}
    )
    await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}/users/{made.body['id']}", {"status": "deactivated"})
    assert query_of(await browser.sign_in(person, "/x")) == {"signInError": "user_deactivated"}
    (refused,) = await trail(as_tenant, f"actor={person.subject}")
    assert (refused["action"], refused["outcome"], refused["error"]) == ("auth:sign-in", "denied", "user_deactivated")

    stranger = new_person()
    browser.forget()
    assert query_of(await browser.sign_in(stranger, "/x")) == {"signInError": "sign_in_refused"}
    (refused,) = await trail(operator, f"tenantId=platform&actor={stranger.subject}")
    assert (refused["outcome"], refused["error"]) == ("denied", "sign_in_refused")


async def test_what_logto_changes_is_recorded_once(platform: Platform, api: Api, operator: Api) -> None:
    logto, subject = Logto(platform, api), f"u-{secrets.token_hex(6)}"
    before = len(await trail(operator, "tenantId=platform&actor=logto&action=accounts:follow"))
    at = logto.tick()
    assert await logto.user("User.Created", subject, f"{subject}@example.com", at=at) == "applied"
    assert await logto.user("User.Created", subject, f"{subject}@example.com", at=at) == "repeated"
    found = await trail(operator, "tenantId=platform&actor=logto&action=accounts:follow")
    assert len(found) == before + 1
    assert (found[-1]["outcome"], found[-1]["actor"]["kind"]) == ("success", "service")
