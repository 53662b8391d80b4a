"""A tenant's users, and what becomes of their tokens and keys."""

from collections.abc import Callable
from typing import Any

import pytest

from functions.kit.database import Databases
from functions.kit.members import Account, Member, MemberDirectory
from functions.kit.principal import Role
from tests.integration.conftest import NewTenant
from tests.integration.platform_members.conftest import Admin, behind_the_edge, may, new_email, new_subject
from tests.platform import Api, Platform

pytestmark = pytest.mark.integration


async def test_a_user_is_registered_found_changed_and_removed(admin: Admin) -> None:
    group = await admin.made("/groups", {"name": "Staff"})
    email = new_email()
    user = await admin.made("/users", {"email": email, "name": "Ada", "groups": [group["id"]]})
    assert (user["status"], user["role"], user["groups"]) == ("invited", "user", [group["id"]])
    path = f"/users/{user['id']}"
    joined = await admin("PATCH", path, {"subject": new_subject(), "role": "admin"})
    assert (joined.status, joined.body["status"], joined.body["role"]) == (200, "active", "admin")
    assert (await admin("GET", path)).body == joined.body
    for query in (f"q={email[:6].upper()}", "q=ada", "role=admin", "status=active", f"groupId={group['id']}"):
        found = (await admin("GET", f"/users?{query}")).body["items"]
        assert [each["id"] for each in found] == [user["id"]]
    for query in ("q=zoe", "role=superadmin", "status=deactivated", "groupId=none"):
        assert (await admin("GET", f"/users?{query}")).body["items"] == []
    other = await admin.user(new_subject(), role="admin")
    assert (await admin("DELETE", path)).status == 204
    assert (await admin("GET", path)).code == "user_not_found"
    assert [each["id"] for each in (await admin("GET", "/users")).body["items"]] == [other["id"]]
    assert (await admin("GET", f"/groups/{group['id']}/members")).body["items"] == []
    again = await admin("POST", "/users", {"email": email, "subject": joined.body["subject"]})
    assert again.status == 201


async def test_users_are_listed_page_by_page(admin: Admin) -> None:
    made = [(await admin.user())["id"] for _ in range(5)]
    found: list[str] = []
    cursor = ""
    while True:
        page = (await admin("GET", f"/users?limit=2{cursor}")).body
        found += [user["id"] for user in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == made[::-1]
    assert (await admin("GET", "/users?cursor=x")).status == 400


async def test_address_and_account_are_one_user_s(admin: Admin) -> None:
    subject, email = new_subject(), new_email()
    await admin.made("/users", {"email": email, "subject": subject})
    assert (await admin("POST", "/users", {"email": email.upper()})).code == "email_taken"
    assert (await admin("POST", "/users", {"email": new_email(), "subject": subject})).code == "subject_taken"
    other = await admin.user()
    assert (await admin("PATCH", f"/users/{other['id']}", {"subject": subject})).code == "subject_taken"
    stranger = await admin("POST", "/users", {"email": new_email(), "groups": [other["id"]]})
    assert (stranger.status, stranger.code) == (422, "unknown_reference")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "x"},
        {"email": "a@b.c d"},
        {"email": "a@b\u0000.de"},
        {"email": "a@example.com", "role": "owner"},
        {"email": "a@example.com", "groups": ["x"]},
        {"email": "a@example.com", "status": "active"},
    ],
)
async def test_what_a_user_cannot_be(admin: Admin, body: dict[str, Any]) -> None:
    assert (await admin("POST", "/users", body)).status == 422


async def test_nobody_gives_or_touches_a_role_above_the_own(admin: Admin, as_operator: Admin) -> None:
    assert (await admin("POST", "/users", {"email": new_email(), "role": "superadmin"})).code == "role_too_high"
    operator_s = await as_operator.user(new_subject(), role="superadmin")
    path = f"/users/{operator_s['id']}"
    assert (await admin("PATCH", path, {"role": "user"})).code == "role_too_high"
    assert (await admin("DELETE", path)).code == "role_too_high"
    made = await admin("POST", "/api-keys", {"name": "x", "userId": operator_s["id"]})
    assert made.code == "role_too_high"
    plain = await admin.user(new_subject())
    assert (await admin("PATCH", f"/users/{plain['id']}", {"role": "superadmin"})).code == "role_too_high"


async def test_the_last_admin_stays(admin: Admin) -> None:
    first, invited = await admin.user(new_subject(), role="admin"), await admin.user(role="admin")
    path = f"/users/{first['id']}"
    for change in ({"role": "user"}, {"status": "deactivated"}):
        refused = await admin("PATCH", path, change)
        assert (refused.status, refused.code) == (409, "last_admin")
    assert (await admin("DELETE", path)).code == "last_admin"
    await admin("PATCH", f"/users/{invited['id']}", {"subject": new_subject()})
    assert (await admin("DELETE", path)).status == 204


async def test_a_deactivated_user_is_refused_with_every_credential(
    platform: Platform, api: Api, admin: Admin, token_of: Callable[..., str]
) -> None:
    subject = new_subject()
    user = await admin.user(subject)
    key = await admin.key(userId=user["id"])
    by_token, by_key = api.as_(token_of(subject)), api.as_(key["secret"])
    direct = behind_the_edge(by_key, platform, "llm")
    for caller in (by_token, by_key, direct):
        assert (await caller.call("GET", "/v1/models")).status == 200
    path = f"/users/{user['id']}"
    assert (await admin("PATCH", path, {"status": "deactivated"})).body["status"] == "deactivated"
    assert (await may(by_token, 403)).code == "user_deactivated"
    for caller in (by_key, direct):
        await may(caller, 401)
    assert [each["status"] for each in (await admin("GET", f"/api-keys?userId={user['id']}")).body["items"]] == [
        "suspended"
    ]
    assert (await admin("PATCH", path, {"status": "active"})).body["status"] == "active"
    for caller in (by_token, by_key, direct):
        await may(caller, 200)
    assert (await admin("DELETE", path)).status == 204
    assert (await may(by_token, 403)).code == "user_deactivated"
    for caller in (by_key, direct):
        await may(caller, 401)
    assert [each["status"] for each in (await admin("GET", "/api-keys?status=revoked")).body["items"]] == ["revoked"]


async def test_the_register_decides_the_role_whatever_a_token_claims(
    api: Api, admin: Admin, token_of: Callable[..., str]
) -> None:
    subject, path = new_subject(), f"/v1/tenants/{admin.tenant.id}/providers"
    caller = api.as_(token_of(subject, "admin"))
    assert (await caller.call("GET", path)).status == 200
    user = await admin.user(subject)
    await may(caller, 403, "GET", path)
    await admin("PATCH", f"/users/{user['id']}", {"role": "admin"})
    await may(caller, 200, "GET", path)


async def test_another_tenant_s_users_and_groups_do_not_exist(api: Api, admin: Admin, new_tenant: NewTenant) -> None:
    other = await new_tenant()
    others = Admin(api.as_(other.key), other)
    user, group = await others.user(), await others.made("/groups", {"name": "Theirs"})
    own = await admin.made("/groups", {"name": "Ours"})
    for method, body in (("GET", None), ("PATCH", {"role": "admin"}), ("DELETE", None)):
        assert (await admin(method, f"/users/{user['id']}", body)).code == "user_not_found"
    assert (await admin("PATCH", f"/groups/{group['id']}", {"name": "x"})).code == "group_not_found"
    assert (await admin("PUT", f"/groups/{own['id']}/members/{user['id']}")).code == "user_not_found"
    stranger = await admin("PUT", f"/groups/{own['id']}/members", {"userIds": [user["id"]]})
    assert stranger.code == "unknown_reference"
    for body in ({"userId": user["id"]}, {"groupId": group["id"]}):
        assert (await admin("POST", "/api-keys", {"name": "x", **body})).code == "unknown_reference"
    key = await others.key()
    assert (await admin("DELETE", f"/api-keys/{key['id']}")).code == "api_key_not_found"
    assert (await admin("POST", f"/api-keys/{key['id']}/rotate")).code == "api_key_not_found"


async def test_who_is_invited_is_known_by_a_verified_address(platform: Platform, admin: Admin) -> None:
    # The directory is asked itself: the local identity provider verifies no address.
    email, subject = new_email(), new_subject()
    user = await admin.made("/users", {"email": email.upper(), "role": "admin"})
    databases = Databases(platform.status["credentials"]["postgresUrl"], pool_size=1, pools=1)
    try:
        directory = MemberDirectory(databases, fresh=0, stale=0)

        async def known(subject: str, email: str | None) -> Member | None:
            return await directory.find(Account(admin.tenant.id, subject, email))

        found = await known(subject, email)
        assert found == Member(user["id"], Role.ADMIN, "invited", frozenset())
        assert await known(subject, None) is None
        await admin("PATCH", f"/users/{user['id']}", {"subject": subject})
        assert await known(subject, None) == Member(user["id"], Role.ADMIN, "active", frozenset())
        assert await known(new_subject(), email) is None
        await admin.user(new_subject(), role="admin")
        await admin("DELETE", f"/users/{user['id']}")
        removed = await known(subject, email)
        assert removed is not None
        assert removed.status == "removed"
        again = await admin.made("/users", {"email": email})
        assert await known(subject, email) == Member(again["id"], Role.USER, "invited", frozenset())
    finally:
        await databases.close()
