"""The same platform on a Flagsmith server: declared by the sync, written by the Admin API, read by local evaluation."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from functions.kit.errors import DependencyUnavailable
from functions.kit.flag_registry import load_flags
from functions.kit.settings import Settings
from functions.platform.core.flags_webhooks import sign
from functions.platform.core.models import ProvisionedTenant
from stateful.flagsmith.sync import synchronise
from tests.integration.platform_flags.conftest import NewTenant, Process, process
from tests.integration.platform_flags.flagsmith_server import (
    ADMIN_KEY,
    SERVER_KEY,
    FlagsmithServer,
    flagsmith_server,
)
from tests.integration.platform_flags.identity import Caller, Issuer
from tests.integration.platform_flags.servers import listening
from tests.integration.platform_flags.test_api import flag, path_of, put
from tests.platform import eventually

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clean")]
_SECRET = "shared with flagsmith"


def using(server: FlagsmithServer, **changes: object) -> dict[str, Any]:
    return {
        "flagsmith_url": server.url,
        "flagsmith_environment_key": SecretStr(SERVER_KEY),
        "flagsmith_admin_key": SecretStr(ADMIN_KEY),
        "flagsmith_webhook_secret": SecretStr(_SECRET),
        "flags_poll_seconds": 0.1,
        **changes,
    }


@pytest_asyncio.fixture
async def server(settings: Settings) -> AsyncIterator[FlagsmithServer]:
    """A server that has been synchronised."""
    async with flagsmith_server() as started:
        await synchronise(settings.model_copy(update=using(started)))
        yield started


@asynccontextmanager
async def platform_on(
    server: FlagsmithServer, settings: Settings, issuer: Issuer, **changes: object
) -> AsyncIterator[tuple[Process, Caller]]:
    async with (
        process(settings, **using(server, **changes)) as started,
        started.caller(issuer.token(["superadmin"])) as caller,
    ):
        yield started, caller


async def test_the_sync_makes_what_is_missing_and_a_second_run_has_nothing_to_do(settings: Settings) -> None:
    async with flagsmith_server() as empty:
        on_it = settings.model_copy(update=using(empty))
        planned = await synchronise(on_it, webhook_url="https://edge/hook", dry_run=True)
        assert (len(planned.created), empty.features, empty.webhooks) == (len(list(load_flags())), {}, {})
        first = await synchronise(on_it, webhook_url="https://edge/hook")
        assert first.created == [definition.name for definition in load_flags()]
        assert first.webhook
        before = list(empty.calls)
        second = await synchronise(on_it, webhook_url="https://edge/hook")
        assert not second.changed
        assert {call.split()[0] for call in empty.calls[len(before) :]} == {"GET"}


async def test_the_sync_corrects_descriptions_and_leaves_states_alone(
    settings: Settings, server: FlagsmithServer
) -> None:
    server.feature_named("embeddings")["description"] = "old"
    server.set_by_hand("embeddings", enabled=False)
    server.features[1] = {"id": 1, "name": "made-by-hand", "description": None}
    outcome = await synchronise(settings.model_copy(update=using(server)))
    assert (outcome.created, outcome.corrected, outcome.unknown) == ([], ["embeddings"], ["made-by-hand"])
    assert server.default_of("embeddings")["enabled"] is False


async def test_the_sync_says_what_is_wrong(settings: Settings, server: FlagsmithServer) -> None:
    wrong = using(server, flagsmith_admin_key=SecretStr("wrong"))
    with pytest.raises(DependencyUnavailable, match="refused: 401"):
        await synchronise(settings.model_copy(update=wrong))
    await server.stop()
    with pytest.raises(DependencyUnavailable, match="not available"):
        await synchronise(settings.model_copy(update=using(server)))


async def test_declared_states_and_values_arrive(settings: Settings, server: FlagsmithServer, issuer: Issuer) -> None:
    async with platform_on(server, settings, issuer) as (started, _):
        for definition in load_flags():
            found = await started.flags.evaluate(definition.name)
            assert (found.enabled, found.value) == (definition.enabled, definition.value), definition.name


async def test_defaults_overrides_and_rollouts_work_as_on_postgres(
    settings: Settings, server: FlagsmithServer, issuer: Issuer, new_tenant: NewTenant
) -> None:
    one, other = await new_tenant(), await new_tenant()
    async with platform_on(server, settings, issuer) as (started, caller):
        notice = {"text": "x", "severity": "info"}
        await put(
            caller,
            "/v1/flags",
            semantic_cache={"enabled": False},
            maintenance_notice={"enabled": True, "value": notice},
            experiment_agent_memory={"enabled": True, "percentage": 100},
        )
        assert not (await flag(caller, path_of(one), "semantic-cache"))["enabled"]
        assert (await flag(caller, path_of(one), "maintenance-notice"))["value"] == notice
        assert (await flag(caller, path_of(one), "experiment-agent-memory"))["source"] == "rollout"

        overrides = {"semantic_cache": {"enabled": True}, "experiment_agent_memory": {"enabled": False}}
        await put(caller, path_of(one), **overrides)
        found = await flag(caller, path_of(one), "semantic-cache")
        assert (found["enabled"], found["source"]) == (True, "tenant")
        assert not (await flag(caller, path_of(one), "experiment-agent-memory"))["enabled"]
        assert not (await flag(caller, path_of(other), "semantic-cache"))["enabled"]
        assert (await flag(caller, path_of(other), "experiment-agent-memory"))["enabled"]
        assert [s["name"] for s in server.segments.values() if s["name"].startswith("tenant-")] == [
            f"tenant-{one.tenant.id}"
        ]

        await put(caller, path_of(one), agent_executions={"enabled": True, "value": 3}, semantic_cache=None)
        assert (await flag(caller, path_of(one), "agent-executions"))["value"] == 3
        assert (await flag(caller, path_of(one), "semantic-cache"))["source"] == "default"

        await put(caller, "/v1/flags", experiment_agent_memory={"enabled": True, "percentage": 0})
        assert not (await flag(caller, path_of(other), "experiment-agent-memory"))["enabled"]
        rollout = await flag(caller, "/v1/flags", "experiment-agent-memory")
        assert (rollout["enabled"], rollout["percentage"]) == (True, 0)
        await put(caller, "/v1/flags", experiment_agent_memory=None, semantic_cache=None)
        assert (await flag(caller, "/v1/flags", "experiment-agent-memory"))["percentage"] is None
        assert (await flag(caller, "/v1/flags", "semantic-cache"))["enabled"]
        again = {"enabled": True, "percentage": 50, "rolloutBy": "user"}
        await put(caller, "/v1/flags", experiment_agent_memory=again)
        assert [s["name"] for s in server.segments.values()].count("rollout-experiment-agent-memory") == 1
        answers = {
            await started.flags.is_enabled("experiment-agent-memory", other.tenant.id, f"u{n}") for n in range(30)
        }
        assert answers == {True, False}


async def test_what_is_changed_in_flagsmith_is_known_at_once_and_said(
    settings: Settings, server: FlagsmithServer, issuer: Issuer, embedded: Process
) -> None:
    patient = platform_on(server, settings, issuer, flags_poll_seconds=3600.0)
    async with patient as (started, _), listening(started) as url:
        hook = f"{url}/v1/webhooks/flagsmith"
        await synchronise(settings.model_copy(update=using(server)), webhook_url=hook)
        server.set_by_hand("grounded-answers", enabled=False)

        async def known() -> bool:
            return not await started.flags.is_enabled("grounded-answers")

        await eventually(known, 2)

        async def told() -> int:
            query = "SELECT count(*) FROM outbox WHERE payload->'data'->>'name' = 'grounded-answers'"
            async with embedded.runtime.databases.acquire() as session:
                return int(await session.fetchval(query))

        assert await eventually(told, 2) == 1


async def test_without_a_webhook_a_poll_sees_it(settings: Settings, server: FlagsmithServer, issuer: Issuer) -> None:
    async with platform_on(server, settings, issuer) as (started, _):
        for enabled in (False, True, False):
            # Flagsmith says in whole seconds when it changed; all of this is within one.
            server.set_by_hand("embeddings", enabled=enabled)

            async def known(wanted: bool = enabled) -> bool:
                return await started.flags.is_enabled("embeddings") is wanted

            await eventually(known, 2)


@pytest.mark.parametrize("signature", ["", "00", "é", sign(b"other", _SECRET), sign(b"{}", "other secret")])
async def test_who_cannot_sign_is_not_heard(
    settings: Settings, server: FlagsmithServer, issuer: Issuer, signature: str
) -> None:
    async with platform_on(server, settings, issuer) as (started, caller):
        headers = {b"X-Flagsmith-Signature": signature.encode()}
        answer = await caller.client.post("/v1/webhooks/flagsmith", content=b"{}", headers=headers)
        assert answer.status_code == 401
        assert (await started.use.flags.is_enabled("embeddings")) is True


async def test_without_a_shared_secret_nobody_is_heard(embedded: Process) -> None:
    async with embedded.caller("") as caller:
        headers = {"X-Flagsmith-Signature": sign(b"{}", "")}
        answer = await caller.client.post("/v1/webhooks/flagsmith", content=b"{}", headers=headers)
        assert answer.status_code == 401


async def test_a_dead_flagsmith_leaves_the_flags_as_they_were_and_heals_without_a_restart(
    settings: Settings, server: FlagsmithServer, issuer: Issuer, tenant: ProvisionedTenant
) -> None:
    async with platform_on(server, settings, issuer) as (started, caller):
        await put(caller, path_of(tenant), plugin_jira={"enabled": True})
        await server.stop()

        async def noticed() -> bool:
            checks = (await started.runtime.health.report())[1]["checks"]
            return bool(checks["flags"]["status"] == "down")

        await eventually(noticed, 5)
        assert await started.flags.is_enabled("plugin-jira", tenant.tenant.id)
        assert (await flag(caller, path_of(tenant), "plugin-jira"))["enabled"]
        refused = await caller("PUT", path_of(tenant), {"flags": {"plugin-jira": None}})
        assert (refused.status_code, refused.json()["error"]["details"]) == (503, {"dependency": "flagsmith"})
        server.set_by_hand("embeddings", enabled=False)
        await server.start()

        async def healed() -> bool:
            return not await started.flags.is_enabled("embeddings")

        await eventually(healed, 5)
        await put(caller, path_of(tenant), plugin_jira=None)
        assert not await started.flags.is_enabled("plugin-jira", tenant.tenant.id)


async def test_started_while_flagsmith_is_dead_what_the_platform_kept_of_it_holds(
    settings: Settings, server: FlagsmithServer, issuer: Issuer, tenant: ProvisionedTenant, embedded: Process
) -> None:
    async with platform_on(server, settings, issuer) as (started, caller):
        await put(caller, path_of(tenant), plugin_jira={"enabled": True})

        async def kept() -> bool:
            async with embedded.runtime.databases.acquire() as session:
                document = await session.fetchval("SELECT document FROM flag_document")
            return tenant.tenant.id in json.dumps(document)

        # What is kept is what was read: that it is stored at Flagsmith alone would not do.
        await eventually(kept, 20)
        await server.stop()
        assert await started.flags.is_enabled("plugin-jira", tenant.tenant.id)
    async with platform_on(server, settings, issuer) as (late, _):
        assert await late.flags.is_enabled("plugin-jira", tenant.tenant.id)


async def test_started_while_flagsmith_is_dead_and_nothing_is_kept_flags_are_as_declared(
    settings: Settings, server: FlagsmithServer, issuer: Issuer
) -> None:
    server.set_by_hand("embeddings", enabled=False)
    await server.stop()
    async with platform_on(server, settings, issuer) as (started, _):
        assert await started.flags.is_enabled("embeddings")
        await server.start()

        async def healed() -> bool:
            return not await started.flags.is_enabled("embeddings")

        await eventually(healed, 5)


async def test_a_flag_that_was_never_synchronised_is_as_declared_and_cannot_be_set(
    settings: Settings, server: FlagsmithServer, issuer: Issuer, tenant: ProvisionedTenant
) -> None:
    number = server.feature_named("plugin-linear")["id"]
    server.states = {key: state for key, state in server.states.items() if state["feature"] != number}
    async with platform_on(server, settings, issuer) as (started, caller):
        assert not await started.flags.is_enabled("plugin-linear", tenant.tenant.id)
        answer = await caller("PUT", path_of(tenant), {"flags": {"plugin-linear": {"enabled": True}}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "flag_not_synchronised")


async def test_a_wrong_admin_key_is_no_answer_to_the_caller_s_fault(
    settings: Settings, server: FlagsmithServer, issuer: Issuer
) -> None:
    async with platform_on(server, settings, issuer, flagsmith_admin_key=SecretStr("wrong")) as (_, caller):
        answer = await caller("PUT", "/v1/flags", {"flags": {"embeddings": {"enabled": False}}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "flagsmith_refused")


async def test_writers_at_the_same_time_share_one_segment(
    settings: Settings, server: FlagsmithServer, issuer: Issuer, tenant: ProvisionedTenant
) -> None:
    async with platform_on(server, settings, issuer) as (_, caller):
        names = ["plugin-jira", "plugin-slack", "plugin-teams"]
        calls = [caller("PUT", path_of(tenant), {"flags": {name: {"enabled": True}}}) for name in names]
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
        assert len(server.segments) == 1
        items = (await caller("GET", path_of(tenant))).json()["items"]
        assert [item["name"] for item in items if item["source"] == "tenant"] == names
