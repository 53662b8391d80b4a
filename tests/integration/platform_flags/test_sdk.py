"""Flagsmith's official Python client against the embedded server, in both of its modes."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from typing import Any

import pytest
import pytest_asyncio
import requests
from flagsmith import Flagsmith
from flagsmith.exceptions import FlagsmithAPIError

from functions.platform.core.models import ProvisionedTenant
from functions.platform.flagsmith_sdk.main import EVALUATIONS
from tests.integration.platform_flags.conftest import SDK_KEY, NewTenant, Process
from tests.integration.platform_flags.identity import Caller
from tests.integration.platform_flags.servers import listening
from tests.integration.platform_flags.test_api import path_of, put

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clean")]


@pytest_asyncio.fixture(scope="session")
async def api_url(embedded: Process) -> AsyncIterator[str]:
    async with listening(embedded) as url:
        yield f"{url}/api/v1/"


async def asking(work: Callable[[], Any]) -> Any:
    """The client blocks, as it does in whoever uses it."""
    return await asyncio.to_thread(work)


@contextmanager
def client(key: str, url: str, **options: Any) -> Any:
    made = Flagsmith(environment_key=key, api_url=url, request_timeout_seconds=5, **options)
    try:
        yield made
    finally:
        made.session.close()
        polling = getattr(made, "environment_data_polling_manager_thread", None)
        if polling:
            polling.stop()
            polling.join(5)


async def states(embedded: Process, operator: Caller, one: ProvisionedTenant) -> None:
    await put(
        operator,
        "/v1/flags",
        semantic_cache={"enabled": False},
        agent_executions={"enabled": True, "value": 12},
        maintenance_notice={"enabled": True, "value": {"text": "x", "severity": "info"}},
        experiment_agent_memory={"enabled": True, "percentage": 40, "rolloutBy": "user"},
        experiment_reranking={"enabled": True, "percentage": 40},
    )
    await put(operator, path_of(one), semantic_cache={"enabled": True}, plugin_jira={"enabled": True})
    await embedded.flags.refresh()


@pytest.mark.parametrize("local", [False, True])
async def test_the_platforms_key_sees_what_every_tenant_sees(
    embedded: Process, operator: Caller, new_tenant: NewTenant, api_url: str, local: bool
) -> None:
    one, other = await new_tenant(), await new_tenant()
    await states(embedded, operator, one)

    def ask() -> None:
        with client(SDK_KEY, api_url, enable_local_evaluation=local) as flagsmith:
            everybody = flagsmith.get_environment_flags()
            assert not everybody.is_feature_enabled("semantic-cache")
            assert everybody.get_feature_value("agent-executions") == 12
            for tenant, users in ((one, ["u1", "u2", "u3", "u4"]), (other, ["u1"])):
                for user in users:
                    found = flagsmith.get_identity_flags(user, traits={"tenant_id": tenant.tenant.id, "age": 7})
                    for name in embedded.flags.document.names():
                        ours = embedded.flags.document.evaluate(name, tenant.tenant.id, user)
                        assert found.is_feature_enabled(name) == ours.enabled, name
                        assert found.get_feature_value(name) == ours.stored, name

    await asking(ask)


@pytest.mark.parametrize("local", [False, True])
async def test_a_tenants_key_opens_the_tenants_own_environment(
    embedded: Process, operator: Caller, new_tenant: NewTenant, api_url: str, local: bool
) -> None:
    one, other = await new_tenant(), await new_tenant()
    await states(embedded, operator, one)

    def ask(tenant: ProvisionedTenant) -> dict[str, bool]:
        with client(f"ser.{tenant.api_key.secret}", api_url, enable_local_evaluation=local) as flagsmith:
            everybody = flagsmith.get_environment_flags()
            stranger = flagsmith.get_identity_flags("u1", traits={"tenant_id": one.tenant.id})
            assert everybody.is_feature_enabled("plugin-jira") == stranger.is_feature_enabled("plugin-jira")
            return {
                user: flagsmith.get_identity_flags(user).is_feature_enabled("experiment-agent-memory")
                for user in ("a", "b", "c", "d", "e", "f", "g", "h")
            } | {"jira": everybody.is_feature_enabled("plugin-jira")}

    of_one, of_other = await asking(lambda: ask(one)), await asking(lambda: ask(other))
    assert (of_one.pop("jira"), of_other.pop("jira")) == (True, False)
    assert set(of_one.values()) == {True, False}
    for user, enabled in of_one.items():
        ours = embedded.flags.document.evaluate("experiment-agent-memory", one.tenant.id, user)
        assert enabled == ours.enabled


async def test_local_evaluation_follows_changes_by_itself(embedded: Process, operator: Caller, api_url: str) -> None:
    def follow() -> bool:
        with client(
            SDK_KEY, api_url, enable_local_evaluation=True, environment_refresh_interval_seconds=0.05
        ) as flagsmith:
            assert flagsmith.get_environment_flags().is_feature_enabled("embeddings")
            watching.set()
            deadline = time.monotonic() + 5
            while flagsmith.get_environment_flags().is_feature_enabled("embeddings"):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            return True

    watching = threading.Event()
    following = asyncio.create_task(asking(follow))
    assert await asyncio.to_thread(watching.wait, 5)
    await put(operator, "/v1/flags", embeddings={"enabled": False})
    assert await following


async def test_analytics_are_taken(embedded: Process, api_url: str) -> None:
    counter = EVALUATIONS.labels("semantic-cache")._value
    before = counter.get()

    def ask() -> None:
        with client(SDK_KEY, api_url, enable_analytics=True) as flagsmith:
            flags = flagsmith.get_environment_flags()
            for _ in range(3):
                flags.is_feature_enabled("semantic-cache")
            sent = requests.post(
                flagsmith._analytics_processor.analytics_endpoint,
                json={**flagsmith._analytics_processor.analytics_data, "unknown": 5},
                headers={"X-Environment-Key": SDK_KEY},
                timeout=5,
            )
            assert sent.status_code == 200

    await asking(ask)
    assert counter.get() == before + 3


@pytest.mark.parametrize("key", ["ser.wrong", "dck_" + "a" * 40, "ser.dck_" + "a" * 40, "ser.a.b.c", ""])
async def test_without_a_key_of_ours_there_is_nothing(api_url: str, key: str) -> None:
    def ask() -> set[int]:
        answers = {
            requests.get(f"{api_url}{path}/", headers={"X-Environment-Key": key}, timeout=5).status_code
            for path in ("flags", "environment-document")
        }
        body = {"identifier": "u", "traits": []}
        for path in ("identities", "analytics/flags"):
            answers.add(
                requests.post(f"{api_url}{path}/", json=body, headers={"X-Environment-Key": key}, timeout=5).status_code
            )
        return answers

    assert await asking(ask) == {401}
    if key:
        with pytest.raises(FlagsmithAPIError), client(key, api_url) as flagsmith:
            await asking(flagsmith.get_environment_flags)


async def test_a_client_key_has_no_environment_document(api_url: str, tenant: ProvisionedTenant) -> None:
    def ask() -> int:
        headers = {"X-Environment-Key": tenant.api_key.secret}
        assert requests.get(f"{api_url}flags/", headers=headers, timeout=5).status_code == 200
        return requests.get(f"{api_url}environment-document/", headers=headers, timeout=5).status_code

    assert await asking(ask) == 403


async def test_one_feature_and_identities_by_get(api_url: str) -> None:
    def ask() -> None:
        headers = {"X-Environment-Key": SDK_KEY}
        found = requests.get(f"{api_url}flags/?feature=embeddings", headers=headers, timeout=5).json()
        assert (found["feature"]["name"], found["enabled"]) == ("embeddings", True)
        assert requests.get(f"{api_url}flags/?feature=no", headers=headers, timeout=5).status_code == 404
        identity = requests.get(f"{api_url}identities/?identifier=u", headers=headers, timeout=5).json()
        assert identity.keys() == {"identifier", "flags", "traits"}

    await asking(ask)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"identifier": ""},
        {"identifier": 5},
        {"identifier": "u", "traits": [{"trait_key": "k", "trait_value": {"a": 1}}]},
        {"identifier": "u", "traits": "x"},
        [],
    ],
)
async def test_what_no_sdk_sends_is_refused(api_url: str, body: Any) -> None:
    def ask() -> int:
        return requests.post(
            f"{api_url}identities/", json=body, headers={"X-Environment-Key": SDK_KEY}, timeout=5
        ).status_code

    assert await asking(ask) == 422
