"""Logto's webhooks: users come and go as it says, each event once, late ones not at all."""

import secrets
from typing import Any

import pytest

from tests.integration.conftest import NewTenant
from tests.integration.sign_in.browser import Browser
from tests.integration.sign_in.conftest import SOON, NewPerson
from tests.integration.sign_in.logto import Logto
from tests.platform import Api, Platform, Tenant, eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def logto(platform: Platform, api: Api) -> Logto:
    return Logto(platform, api)


def fresh(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(6)}"


async def users(api: Api, tenant: Tenant) -> list[dict[str, Any]]:
    reply = await api.as_(tenant.key).call("GET", f"/v1/tenants/{tenant.id}/users")
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.body["items"]
    return found


async def statuses(api: Api, tenant: Tenant) -> dict[str, str]:
    return {user["subject"]: user["status"] for user in await users(api, tenant)}


async def test_members_are_registered_in_whatever_order_it_is_told(logto: Logto, tenant: Tenant, api: Api) -> None:
    early, late, unknown = fresh("u"), fresh("u"), fresh("u")
    organization = fresh("o")
    await logto.user("User.Created", early, f"{early}@example.com")
    assert await logto.membership(organization, added=(early, late, unknown)) == "applied"
    assert await users(api, tenant) == []
    await logto.user("User.Created", late, f"{late}@example.com")
    assert await logto.organization(organization, tenant.id) == "applied"
    found = {user["subject"]: user for user in await users(api, tenant)}
    assert set(found) == {early, late}
    assert (found[early]["email"], found[early]["role"], found[early]["status"]) == (
        f"{early}@example.com",
        "user",
        "active",
    )
    another = fresh("u")
    await logto.user("User.Created", another, f"{another}@example.com")
    await logto.membership(organization, added=(another,))
    assert await statuses(api, tenant) == dict.fromkeys((early, late, another), "active")


async def test_a_suspended_account_is_out_at_once_and_comes_back(
    logto: Logto, tenant: Tenant, api: Api, browser: Browser, new_person: NewPerson
) -> None:
    person = new_person(tenant, role="admin")
    await browser.sign_in(person)
    assert (await browser.me()).status == 200
    assert (
        await logto.user("User.SuspensionStatus.Updated", person.subject, person.email, isSuspended=True) == "applied"
    )

    async def is_out() -> bool:
        return (await browser.me()).status == 401

    await eventually(is_out, SOON)
    assert await statuses(api, tenant) == {person.subject: "deactivated"}
    assert await logto.user("User.SuspensionStatus.Updated", person.subject, person.email) == "applied"
    assert await statuses(api, tenant) == {person.subject: "active"}
    await browser.sign_in(person)
    assert (await browser.me()).body["roles"] == ["admin"]


async def test_whom_the_tenant_deactivated_the_provider_does_not_bring_back(
    logto: Logto, tenant: Tenant, api: Api
) -> None:
    subject = fresh("u")
    admin = api.as_(tenant.key)
    made = await admin.call(
        "POST", f"/v1/tenants/{tenant.id}/users", {"email": f"{subject}@example.com", "subject": subject}
    )
    await admin.call("PATCH", f"/v1/tenants/{tenant.id}/users/{made.body['id']}", {"status": "deactivated"})
    await logto.user("User.SuspensionStatus.Updated", subject, f"{subject}@example.com", isSuspended=True)
    await logto.user("User.SuspensionStatus.Updated", subject, f"{subject}@example.com")
    assert await statuses(api, tenant) == {subject: "deactivated"}


async def test_a_deleted_account_leaves_every_tenant_with_its_sessions_and_keys(
    logto: Logto, tenant: Tenant, new_tenant: NewTenant, api: Api, browser: Browser, new_person: NewPerson
) -> None:
    second = await new_tenant()
    person = new_person(tenant, second)
    for each in (second, tenant):
        await browser.sign_in(person, organization=f"org-{each.id}")
    (user,) = await users(api, tenant)
    key = await api.as_(tenant.key).call(
        "POST", f"/v1/tenants/{tenant.id}/api-keys", {"name": "k", "userId": user["id"]}
    )
    assert key.status == 201, key.body
    at = logto.tick()
    assert await logto.user("User.Deleted", person.subject, person.email, at=at) == "applied"
    assert await logto.user("User.Deleted", person.subject, person.email, at=at) == "repeated"
    assert await users(api, tenant) == await users(api, second) == []

    async def is_out() -> bool:
        asked = await api.as_(key.body["secret"]).call("GET", "/v1/models")
        return (await browser.me()).status == asked.status == 401

    await eventually(is_out, SOON)
    # A deleted account does not come back, however late somebody says that it was made.
    assert await logto.user("User.Data.Updated", person.subject, person.email) == "repeated"


async def test_the_sessions_of_an_operator_end_with_the_account(
    logto: Logto, browser: Browser, new_person: NewPerson
) -> None:
    person = new_person(roles=("superadmin",))
    await browser.sign_in(person)
    assert (await browser.me()).status == 200
    await logto.user("User.SuspensionStatus.Updated", person.subject, person.email, isSuspended=True)

    async def is_out() -> bool:
        return (await browser.me()).status == 401

    await eventually(is_out, SOON)


async def test_one_who_leaves_an_organisation_leaves_that_tenant_alone(
    logto: Logto, tenant: Tenant, new_tenant: NewTenant, api: Api, browser: Browser, new_person: NewPerson
) -> None:
    second = await new_tenant()
    person = new_person(tenant, second)
    await browser.sign_in(person, organization=f"org-{second.id}")
    await browser.sign_in(person, organization=f"org-{tenant.id}")
    joined, left = logto.tick(), logto.tick()
    await logto.membership(f"org-{tenant.id}", at=joined, added=(person.subject,))
    assert await logto.membership(f"org-{tenant.id}", at=left, removed=(person.subject,)) == "applied"
    assert await users(api, tenant) == []
    assert await statuses(api, second) == {person.subject: "active"}

    async def is_out() -> bool:
        return (await browser.me()).status == 401

    await eventually(is_out, SOON)
    # Delivered again, late: nobody comes back by that.
    assert await logto.membership(f"org-{tenant.id}", at=joined, added=(person.subject,)) == "repeated"
    assert await users(api, tenant) == []
    await browser.sign_in(person, organization=f"org-{second.id}")
    assert (await browser.me()).body["tenantId"] == second.id
    # Let in again, the account may come in again.
    await browser.sign_in(person, organization=f"org-{tenant.id}")
    assert await statuses(api, tenant) == {person.subject: "active"}


async def test_in_two_organisations_of_a_tenant_one_may_be_left(logto: Logto, tenant: Tenant, api: Api) -> None:
    subject, one, two = fresh("u"), fresh("o"), fresh("o")
    await logto.user("User.Created", subject, f"{subject}@example.com")
    for each in (one, two):
        await logto.organization(each, tenant.id)
        await logto.membership(each, added=(subject,))
    await logto.membership(one, removed=(subject,))
    assert await statuses(api, tenant) == {subject: "active"}
    assert await logto.tell("Organization.Deleted", params={"id": two}, data=None) == "applied"
    assert await users(api, tenant) == []
    assert await logto.tell("Organization.Deleted", params={"id": two}, data=None) == "repeated"


async def test_late_news_do_not_undo_later_ones(logto: Logto, tenant: Tenant, api: Api) -> None:
    subject, organization = fresh("u"), fresh("o")
    await logto.organization(organization, tenant.id)
    first, second, third = logto.tick(), logto.tick(), logto.tick()
    await logto.user("User.Created", subject, f"{subject}@example.com", at=first)
    await logto.membership(organization, added=(subject,))
    assert await logto.user("User.Data.Updated", subject, f"new-{subject}@example.com", at=third) == "applied"
    late = await logto.user("User.Data.Updated", subject, f"old-{subject}@example.com", at=second, isSuspended=True)
    assert late == "repeated"
    (user,) = await users(api, tenant)
    assert (user["email"], user["status"]) == (f"new-{subject}@example.com", "active")


async def test_an_address_that_is_anothers_stays_that_ones(logto: Logto, tenant: Tenant, api: Api) -> None:
    first, second, organization = fresh("u"), fresh("u"), fresh("o")
    await logto.organization(organization, tenant.id)
    for subject in (first, second):
        await logto.user("User.Created", subject, f"{first}@example.com".upper())
    assert await logto.membership(organization, added=(first, second)) == "applied"
    assert await statuses(api, tenant) == {first: "active"}


async def test_unknown_things_are_named(logto: Logto) -> None:
    for body, reason in (
        (logto.delivery("Role.Created", data={}), "does not follow this kind"),
        (logto.delivery("PostSignIn", userId="u"), "does not follow this kind"),
        (logto.delivery("User.Data.Updated", data={"theme": "dark"}, params={"userId": "u"}), "does not hold the user"),
        (logto.delivery("User.Created", data={"result": "success"}, params={"id": "fake-id"}), "not hold the user"),
        (logto.delivery("Organization.Created", data={"id": "o", "customData": {}}), "name no tenantId"),
        (logto.delivery("Organization.Created", data={"id": "o", "customData": {"tenantId": "nonsense"}}), "no tenant"),
        (logto.delivery("Organization.Membership.Updated", organizationId="o"), "names no member"),
        (logto.delivery("Organization.Membership.Updated", organizationId=fresh("o"), addedUserIds=["u"]), "until"),
    ):
        reply = await logto.send(body)
        assert reply.status == 200
        assert reason in reply.body["reason"], reply.body


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b'"x"', b"\xff", b'{"event": 1, "createdAt": "2026-01-01T00:00:00Z"}',
        b'{"event": "User.Created", "createdAt": "yesterday"}', b'{"event": "User.Created"}',
    ],
)  # fmt: skip
async def test_what_is_no_delivery_is_refused(logto: Logto, body: bytes) -> None:
    reply = await logto.send(body)
    assert (reply.status, reply.code) == (400, "unreadable_event")


async def test_only_logto_is_heard(logto: Logto, tenant: Tenant, api: Api) -> None:
    subject = fresh("u")
    body = logto.delivery("User.Created", data={"id": subject, "isSuspended": False})
    for signature in (
        "",
        "0" * 64,
        logto.sign(body).upper(),
        logto.sign(body + b" "),
        f"sha256={logto.sign(body)}",
        "é",
    ):
        reply = await logto.send(body, signature)
        assert (reply.status, reply.code) == (401, "unauthenticated"), signature
    assert (await logto.send(body)).body["outcome"] == "applied"
    assert (await logto.send(body)).body["outcome"] == "repeated"


async def test_hostile_fields_harm_nobody(logto: Logto) -> None:
    for value in ("", "x" * 5000, "a\x00b", 7, None, ["u"], {"id": "u"}):
        data = {"id": value, "primaryEmail": value, "name": value, "isSuspended": False}
        reply = await logto.send(logto.delivery("User.Created", data=data))
        assert reply.status == 200, reply.body
        assert reply.body["outcome"] == "ignored"
        reply = await logto.send(
            logto.delivery("Organization.Membership.Updated", organizationId="o", addedUserIds=[value])
        )
        assert reply.body["outcome"] == "ignored"
