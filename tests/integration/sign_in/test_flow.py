"""The whole way: sign in, work, sign out."""

import secrets
from urllib.parse import urlencode

import aiohttp
import pytest

from local.embedded.components.identity import MACHINE_CLIENT
from tests.integration.conftest import NewTenant
from tests.integration.sign_in.browser import Browser, query_of
from tests.integration.sign_in.conftest import SESSION, NewBrowser, NewPerson
from tests.platform import Api, Platform, Tenant

pytestmark = pytest.mark.integration


async def test_an_admin_signs_in_works_and_signs_out(
    platform: Platform, tenant: Tenant, browser: Browser, new_person: NewPerson
) -> None:
    person = new_person(tenant, role="admin")
    assert await browser.sign_in(person, "/console?tab=1") == f"{platform.edge}/console?tab=1"
    cookie = browser.cookie(SESSION)
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "lax"
    assert cookie["path"] == "/"

    me = await browser.me()
    assert me.status == 200
    assert (me.body["subject"], me.body["email"], me.body["tenantId"]) == (person.subject, person.email, tenant.id)
    assert (me.body["roles"], me.body["kind"]) == (["admin"], "user")

    listed = await browser.call("GET", f"/v1/tenants/{tenant.id}/users")
    assert [(u["subject"], u["email"], u["role"], u["status"]) for u in listed.body["items"]] == [
        (person.subject, person.email, "admin", "active")
    ]
    made = await browser.call("POST", f"/v1/tenants/{tenant.id}/groups", {"name": "crew"})
    assert made.status == 201, made.body
    asked = await browser.call(
        "POST",
        "/v1/chat/completions",
        {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Signed in?"}]},
    )
    assert asked.status == 200, asked.body

    out = await browser.call("POST", "/v1/auth/logout", {"returnTo": "/bye"})
    assert out.status == 200, out.body
    assert not browser.has(SESSION)
    logout = query_of(out.body["logoutUrl"])
    assert logout["post_logout_redirect_uri"] == f"{platform.edge}/v1/auth/signed-out"
    browser.set(SESSION, cookie.value)
    assert (await browser.me()).status == 401

    page = await browser.visit(out.body["logoutUrl"])
    assert "Sign out" in str(page.body)
    assert await browser.follow(f"{platform.edge}/v1/auth/signed-out") == f"{platform.edge}/bye"


async def test_a_change_needs_the_token_and_an_origin_of_ours(
    tenant: Tenant, browser: Browser, new_person: NewPerson, new_browser: NewBrowser
) -> None:
    await browser.sign_in(new_person(tenant, role="admin"))
    await browser.me()
    other = new_browser()
    await other.sign_in(new_person(tenant, role="admin"))
    await other.me()
    path, number = f"/v1/tenants/{tenant.id}/groups", iter(range(100))
    for headers in (
        {"x_csrf_token": ""},
        {"x_csrf_token": "wrong"},
        {"x_csrf_token": other.csrf},
        {"origin": ""},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1.evil.example"},
    ):
        refused = await browser.call("POST", path, {"name": f"g{next(number)}"}, **headers)
        assert (refused.status, refused.code) == (403, "csrf_rejected"), headers
    assert (await browser.call("POST", "/v1/auth/logout", x_csrf_token="")).status == 403
    assert (await browser.call("GET", path)).body["items"] == []
    assert (await browser.call("POST", path, {"name": "g"}, origin="http://localhost:3000")).status == 201


async def test_a_browser_without_a_session_is_asked_to_sign_in(
    platform: Platform, tenant: Tenant, browser: Browser
) -> None:
    assert (await browser.me()).status == 401
    refused = await browser.call("GET", f"/v1/tenants/{tenant.id}/users")
    assert (refused.status, refused.code) == (401, "unauthenticated")
    # The edge lets what has the form of a session through; the function tells.
    browser.set(SESSION, f"s1.{tenant.id}.{secrets.token_urlsafe(32)}")
    refused = await browser.call("GET", f"/v1/tenants/{tenant.id}/users")
    assert (refused.status, refused.body["error"]["message"]) == (401, "the session has ended; sign in again")
    assert (await browser.call("POST", "/v1/auth/logout")).status == 401


async def test_one_who_is_in_two_organisations_chooses(
    tenant: Tenant, browser: Browser, new_person: NewPerson, new_tenant: NewTenant
) -> None:
    second = await new_tenant()
    person = new_person(tenant, second)
    await browser.sign_in(person, organization=f"org-{second.id}")
    assert (await browser.me()).body["tenantId"] == second.id
    assert (await browser.call("GET", f"/v1/tenants/{tenant.id}/flags")).status == 403
    await browser.sign_in(person)
    assert (await browser.me()).body["tenantId"] == tenant.id
    where = await browser.sign_in(person, "/here", organization="org-of-others")
    assert query_of(where) == {"signInError": "sign_in_refused"}


async def test_the_operator_signs_in_without_a_tenant(browser: Browser, new_person: NewPerson) -> None:
    await browser.sign_in(new_person(roles=("superadmin",)))
    me = await browser.me()
    assert (me.body["tenantId"], me.body["roles"]) == (None, ["superadmin"])
    assert (await browser.call("GET", "/v1/tenants?limit=1")).status == 200


async def test_a_program_calls_as_a_service_with_its_role(platform: Platform, api: Api) -> None:
    known = platform.status["credentials"]
    form = {"grant_type": "client_credentials", "resource": "https://api.dcoder.local"}
    secret = aiohttp.encode_basic_auth(MACHINE_CLIENT, known["oidcClientSecret"])
    async with api.session.post(f"{known['oidcIssuer']}/token", data=form, headers={"authorization": secret}) as answer:
        token = (await answer.json())["access_token"]
    me = (await api.as_(token).call("GET", "/v1/auth/me")).body
    assert (me["kind"], me["subject"], me["roles"]) == ("service", MACHINE_CLIENT, ["superadmin"])
    assert (me["userId"], me["csrfToken"]) == (None, None)
    assert (await api.as_(token).call("GET", "/v1/tenants?limit=1")).status == 200


async def test_an_account_of_no_tenant_and_a_deactivated_user_are_told_so(
    tenant: Tenant, browser: Browser, new_person: NewPerson, as_tenant: Api
) -> None:
    where = await browser.sign_in(new_person(), "/x")
    assert query_of(where) == {"signInError": "sign_in_refused"}
    assert not browser.has(SESSION)

    person = new_person(tenant)
    made = await as_tenant.call(
        "POST", f"/v1/tenants/{tenant.id}/users", {"email": person.email, "subject": person.subject}
    )
    await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}/users/{made.body['id']}", {"status": "deactivated"})
    browser.forget()
    assert query_of(await browser.sign_in(person, "/x")) == {"signInError": "user_deactivated"}


async def test_an_invited_address_becomes_the_account_with_the_role_it_was_given(
    tenant: Tenant, browser: Browser, new_person: NewPerson, as_tenant: Api
) -> None:
    person = new_person(tenant)
    invited = await as_tenant.call(
        "POST", f"/v1/tenants/{tenant.id}/users", {"email": person.email.upper(), "role": "admin"}
    )
    await browser.sign_in(person)
    user = await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/users/{invited.body['id']}")
    assert (user.body["status"], user.body["subject"], user.body["role"]) == ("active", person.subject, "admin")
    assert (await browser.me()).body["roles"] == ["admin"]


async def test_a_role_counts_from_the_side_where_it_was_changed_last(
    tenant: Tenant, browser: Browser, new_person: NewPerson, as_tenant: Api
) -> None:
    person = new_person(tenant, role="user")

    async def role_after_signing_in() -> str:
        await browser.sign_in(person)
        (user,) = (await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/users")).body["items"]
        assert user["subject"] == person.subject
        return str(user["role"])

    assert await role_after_signing_in() == "user"
    user_id = (await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/users")).body["items"][0]["id"]
    await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}/users/{user_id}", {"role": "admin"})
    assert await role_after_signing_in() == "admin"
    new_person(tenant, role="admin", person=person)
    assert await role_after_signing_in() == "admin"
    # The provider names another role than before; but somebody must be left to manage the tenant.
    new_person(tenant, role="user", person=person)
    assert await role_after_signing_in() == "admin"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "http://127.0.0.1:1@evil.example/",
        "javascript:alert(1)",
        "/a\r\nset-cookie: a=b",
        "console",
        "",
        "http://localhost.evil.example/",
        "/é",
    ],
)
async def test_no_browser_is_sent_to_strangers(browser: Browser, target: str) -> None:
    refused = await browser.call("GET", f"/v1/auth/login?{_query(returnTo=target)}")
    assert (refused.status, refused.code) == (400, "return_address_refused")


async def test_a_dashboard_of_an_allowed_origin_gets_its_user_back(
    tenant: Tenant, browser: Browser, new_person: NewPerson
) -> None:
    where = await browser.sign_in(new_person(tenant), "http://localhost:3000/start?a=1")
    assert where == "http://localhost:3000/start?a=1"


def _query(**fields: str) -> str:
    return urlencode(fields)
