"""Flags over HTTP: the platform's defaults, tenants' overrides, who may see and change what."""

import asyncio
from typing import Any

import pytest

from functions.kit.database import UnitOfWork
from functions.platform.core.models import ProvisionedTenant
from tests.integration.platform_flags.conftest import NewTenant, Process
from tests.integration.platform_flags.identity import Caller, Issuer

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clean")]


def path_of(tenant: ProvisionedTenant) -> str:
    return f"/v1/tenants/{tenant.tenant.id}/flags"


async def flag(caller: Caller, path: str, name: str, **query: str) -> dict[str, Any]:
    answer = await caller("GET", path, query=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = next(item for item in answer.json()["items"] if item["name"] == name)
    return found


async def put(caller: Caller, path: str, **flags: Any) -> Any:
    body = {"flags": {name.replace("_", "-"): state for name, state in flags.items()}}
    answer = await caller("PUT", path, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_declared_flag_is_listed_with_its_meaning(operator: Caller) -> None:
    answer = await operator("GET", "/v1/flags")
    items = answer.json()["items"]
    assert [item["name"] for item in items] == sorted(item["name"] for item in items)
    assert items[0].keys() == {
        "name", "enabled", "value", "source", "description", "kind", "type", "percentage", "rolloutBy"
    }  # fmt: skip
    assert all(item["description"] and item["source"] == "default" for item in items)


async def test_a_platform_flag_controls_the_feature_for_everybody(operator: Caller, new_tenant: NewTenant) -> None:
    one, other = await new_tenant(), await new_tenant()
    await put(operator, "/v1/flags", semantic_cache={"enabled": False})
    for tenant in (one, other):
        found = await flag(operator, path_of(tenant), "semantic-cache")
        assert (found["enabled"], found["source"]) == (False, "default")


async def test_a_tenants_override_wins_until_it_is_removed(operator: Caller, new_tenant: NewTenant) -> None:
    one, other = await new_tenant(), await new_tenant()
    await put(operator, path_of(one), plugin_slack={"enabled": True})
    found = await flag(operator, path_of(one), "plugin-slack")
    assert (found["enabled"], found["source"]) == (True, "tenant")
    assert not (await flag(operator, path_of(other), "plugin-slack"))["enabled"]
    await put(operator, "/v1/flags", plugin_slack={"enabled": True}, semantic_cache={"enabled": False})
    await put(operator, path_of(one), plugin_slack={"enabled": False})
    assert not (await flag(operator, path_of(one), "plugin-slack"))["enabled"]
    await put(operator, path_of(one), plugin_slack=None)
    found = await flag(operator, path_of(one), "plugin-slack")
    assert (found["enabled"], found["source"]) == (True, "default")


async def test_values_are_typed_and_kept_when_left_out(operator: Caller, tenant: ProvisionedTenant) -> None:
    notice = {"text": "Back at 12:00 \N{HIGH VOLTAGE SIGN}", "severity": "warning"}
    await put(
        operator,
        "/v1/flags",
        maintenance_notice={"enabled": True, "value": notice},
        agent_executions={"enabled": True, "value": 40},
    )
    await put(operator, path_of(tenant), prompt_compression={"enabled": True, "value": "strong"})
    await put(operator, path_of(tenant), agent_executions={"enabled": False})
    found = {item["name"]: item for item in (await operator("GET", path_of(tenant))).json()["items"]}
    assert found["maintenance-notice"]["value"] == notice
    assert found["prompt-compression"]["value"] == "strong"
    assert (found["agent-executions"]["enabled"], found["agent-executions"]["value"]) == (False, 40)


async def test_null_takes_a_platform_flag_back_to_what_is_declared(operator: Caller) -> None:
    await put(operator, "/v1/flags", agent_executions={"enabled": False, "value": 1})
    await put(operator, "/v1/flags", agent_executions=None)
    found = await flag(operator, "/v1/flags", "agent-executions")
    assert (found["enabled"], found["value"]) == (True, 25)


async def test_a_rollout_is_told_with_its_percentage(operator: Caller, tenant: ProvisionedTenant) -> None:
    rollout = {"enabled": True, "percentage": 30, "rolloutBy": "user"}
    await put(operator, "/v1/flags", experiment_agent_memory=rollout)
    of_platform = await flag(operator, "/v1/flags", "experiment-agent-memory")
    assert (of_platform["enabled"], of_platform["percentage"], of_platform["rolloutBy"]) == (True, 30, "user")
    answers = [
        await flag(operator, path_of(tenant), "experiment-agent-memory", userId=f"user-{number}")
        for number in range(20)
    ]
    assert {answer["source"] for answer in answers} == {"rollout"}
    assert {answer["enabled"] for answer in answers} == {True, False}
    again = await flag(operator, path_of(tenant), "experiment-agent-memory", userId="user-3")
    assert again == answers[3]
    await put(operator, path_of(tenant), experiment_agent_memory={"enabled": True})
    overridden = await flag(operator, path_of(tenant), "experiment-agent-memory", userId="user-1")
    assert (overridden["enabled"], overridden["source"], overridden["percentage"]) == (True, "tenant", None)


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ({"nothing": {"enabled": True}}, 404, "flag_not_found"),
        ({"nothing": None}, 404, "flag_not_found"),
        ({"agent-executions": {"enabled": True, "value": "many"}}, 422, "flag_value_invalid"),
        ({"agent-executions": {"enabled": True, "value": True}}, 422, "flag_value_invalid"),
        ({"agent-executions": {"enabled": True, "value": 2**40}}, 422, "flag_value_invalid"),
        ({"semantic-cache": {"enabled": True, "value": 1}}, 422, "flag_value_invalid"),
        ({"semantic-cache": {}}, 422, "validation_failed"),
        ({"Semantic Cache": {"enabled": True}}, 422, "validation_failed"),
        ({"semantic-cache": {"enabled": True, "extra": 1}}, 422, "validation_failed"),
        ({}, 422, "validation_failed"),
    ],
)
async def test_what_is_refused_changes_nothing(
    operator: Caller, tenant: ProvisionedTenant, state: dict[str, Any], status: int, code: str
) -> None:
    for path in ("/v1/flags", path_of(tenant)):
        before = (await operator("GET", path)).json()
        good_as_well = {"chat-completions": {"enabled": False}, **state} if state else state
        answer = await operator("PUT", path, {"flags": good_as_well})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
        assert (await operator("GET", path)).json() == before


async def test_percentages_are_the_platforms_alone(operator: Caller, tenant: ProvisionedTenant) -> None:
    body = {"flags": {"semantic-cache": {"enabled": True, "percentage": 5}}}
    assert (await operator("PUT", path_of(tenant), body)).status_code == 422
    for percentage in (-1, 101, "many"):
        body["flags"]["semantic-cache"] = {"enabled": True, "percentage": percentage}  # type: ignore[dict-item]
        assert (await operator("PUT", "/v1/flags", body)).status_code == 422
    body["flags"]["semantic-cache"] = {"enabled": False, "percentage": 10}
    assert (await operator("PUT", "/v1/flags", body)).json()["error"]["code"] == "flag_value_invalid"


async def test_who_may_do_what(
    operator: Caller, issuer: Issuer, tenant: ProvisionedTenant, new_tenant: NewTenant
) -> None:
    stranger = await new_tenant()
    admin = operator.with_credential(tenant.api_key.secret)
    user = operator.with_credential(issuer.token(["user"], tenant.tenant.id))
    other = operator.with_credential(stranger.api_key.secret)
    body = {"flags": {"semantic-cache": {"enabled": False}}}
    allowed = {"admin": admin, "user": user, "other": other}
    reads = {name: (await caller("GET", path_of(tenant))).status_code for name, caller in allowed.items()}
    writes = {name: (await caller("PUT", path_of(tenant), body)).status_code for name, caller in allowed.items()}
    assert reads == {"admin": 200, "user": 200, "other": 403}
    assert writes == {"admin": 200, "user": 403, "other": 403}
    for caller in (admin, user):
        assert (await caller("GET", "/v1/flags")).status_code == 403
        assert (await caller("PUT", "/v1/flags", body)).status_code == 403


async def test_a_tenant_that_does_not_exist(operator: Caller) -> None:
    for tenant_id in ("0198f000-0000-7000-8000-000000000000", "nonsense"):
        answer = await operator("GET", f"/v1/tenants/{tenant_id}/flags")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "tenant_not_found")


async def test_changes_at_the_same_time_all_count(operator: Caller, new_tenant: NewTenant) -> None:
    tenants = [await new_tenant() for _ in range(2)]
    names = ["plugin-jira", "plugin-slack", "plugin-teams", "plugin-linear"]
    calls = [
        operator("PUT", path_of(tenant), {"flags": {name: {"enabled": True}}}) for tenant in tenants for name in names
    ]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    for tenant in tenants:
        items = (await operator("GET", path_of(tenant))).json()["items"]
        assert [item["name"] for item in items if item["source"] == "tenant"] == sorted(names)


async def test_an_idempotency_key_replays_the_answer(operator: Caller, tenant: ProvisionedTenant) -> None:
    body = {"flags": {"plugin-jira": {"enabled": True}}}
    first = await operator("PUT", path_of(tenant), body, idempotency_key="flags-1")
    await put(operator, path_of(tenant), plugin_jira=None)
    again = await operator("PUT", path_of(tenant), body, idempotency_key="flags-1")
    assert again.json() == first.json()
    assert not (await flag(operator, path_of(tenant), "plugin-jira"))["enabled"]


async def test_only_what_changed_is_said_and_only_once(
    embedded: Process, operator: Caller, tenant: ProvisionedTenant
) -> None:
    for _ in range(2):
        await put(operator, path_of(tenant), semantic_cache={"enabled": True}, plugin_jira={"enabled": True})
    await put(operator, path_of(tenant), plugin_jira=None)
    async with UnitOfWork(embedded.runtime.databases) as work:
        rows = await (await work.connection()).fetch(
            "SELECT payload FROM outbox WHERE subject = 'flag.updated' AND tenant_id = $1 ORDER BY id", tenant.tenant.id
        )
    said = [(row["payload"]["data"]["name"], row["payload"]["data"]["current"]["enabled"]) for row in rows]
    assert said == [("plugin-jira", True), ("plugin-jira", False)]
    assert rows[0]["payload"]["data"]["changedBy"] == "tester"
    assert rows[0]["payload"]["tenantid"] == tenant.tenant.id


async def test_a_tenant_takes_its_overrides_along(
    embedded: Process, operator: Caller, tenant: ProvisionedTenant
) -> None:
    await put(operator, path_of(tenant), plugin_jira={"enabled": True})
    await embedded.flags.refresh()
    assert embedded.flags.document.override("plugin-jira", tenant.tenant.id)
    async with embedded.runtime.databases.acquire() as session:
        await session.execute("DELETE FROM tenants WHERE id = $1", tenant.tenant.id)
    document = await embedded.flags.refresh()
    assert document.override("plugin-jira", tenant.tenant.id) is None
