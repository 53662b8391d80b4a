"""A tenant's groups, and that policies hear of them."""

from collections.abc import Callable

import pytest

from tests.integration.platform_members.conftest import Admin, may, new_subject
from tests.platform import Api

pytestmark = pytest.mark.integration


async def test_a_group_is_made_filled_renamed_and_removed(admin: Admin) -> None:
    group = await admin.made("/groups", {"name": "Staff", "description": "All of us"})
    path = f"/groups/{group['id']}"
    ada, ben = (await admin.user())["id"], (await admin.user())["id"]
    assert (await admin("PUT", f"{path}/members/{ada}")).status == 204
    assert (await admin("PUT", f"{path}/members/{ada}")).status == 204
    assert [user["id"] for user in (await admin("GET", f"{path}/members")).body["items"]] == [ada]
    assert (await admin("PUT", f"{path}/members", {"userIds": [ada, ben]})).status == 204
    assert (await admin("DELETE", f"{path}/members/{ada}")).status == 204
    assert (await admin("GET", f"/users/{ben}")).body["groups"] == [group["id"]]
    renamed = await admin("PATCH", path, {"name": "Crew"})
    assert (renamed.body["name"], renamed.body["description"], renamed.body["members"]) == ("Crew", "All of us", 1)
    assert [each["id"] for each in (await admin("GET", "/groups?q=cr")).body["items"]] == [group["id"]]
    other = await admin.made("/groups", {"name": "Guests"})
    assert (await admin("POST", "/groups", {"name": "CREW"})).code == "group_name_taken"
    assert (await admin("PATCH", f"/groups/{other['id']}", {"name": "crew"})).code == "group_name_taken"
    assert (await admin("DELETE", path)).status == 204
    assert (await admin("GET", f"{path}/members")).code == "group_not_found"
    assert (await admin("GET", f"/users/{ben}")).body["groups"] == []


async def test_policies_hear_of_groups_by_token_and_by_key(
    api: Api, admin: Admin, token_of: Callable[..., str]
) -> None:
    subject = new_subject()
    user, group = await admin.user(subject), await admin.made("/groups", {"name": "Interns"})
    by_token = api.as_(token_of(subject))
    by_key = api.as_((await admin.key(userId=user["id"]))["secret"])
    grouped = api.as_((await admin.key(groupId=group["id"]))["secret"])
    denial = {"name": "none", "who": [f"group:{group['id']}"], "actions": ["llm:call"], "effect": "deny"}
    assert (await admin("PUT", "/policies", {"policies": [denial]})).status == 200
    await may(grouped, 403)
    for caller in (by_token, by_key):
        assert (await caller.call("GET", "/v1/models")).status == 200
    member = f"/groups/{group['id']}/members/{user['id']}"
    assert (await admin("PUT", member)).status == 204
    for caller in (by_token, by_key):
        await may(caller, 403)
    assert (await admin("DELETE", member)).status == 204
    for caller in (by_token, by_key):
        await may(caller, 200)
    assert (await admin("DELETE", f"/groups/{group['id']}")).status == 204
    await may(grouped, 200)
