"""Changes are everywhere in under two seconds, and a dead database leaves the flags as they were."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit

import nats
import pytest
import pytest_asyncio
from pydantic import SecretStr

from functions.kit.events import Event
from functions.kit.settings import Settings
from functions.kit.subjects import FlagState, FlagUpdated
from functions.platform.core.models import ProvisionedTenant
from tests.integration.platform_flags.conftest import Process, process
from tests.integration.platform_flags.identity import Caller
from tests.integration.platform_flags.servers import Gate
from tests.integration.platform_flags.test_api import path_of, put
from tests.integration.stateful.nats.servers import Server, nats_server
from tests.platform import eventually

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clean")]
_WITHIN = 2.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def elsewhere(settings: Settings) -> AsyncIterator[Process]:
    """Another process, which hears of nothing and only asks."""
    async with process(settings) as started:
        yield started


@pytest.fixture(scope="module")
def bus() -> Iterator[Server]:
    server = nats_server(Path(mkdtemp(prefix="dcoder-flags-nats-")))
    server.start()
    yield server
    server.kill()


async def test_other_processes_follow_within_two_seconds(
    elsewhere: Process, operator: Caller, tenant: ProvisionedTenant
) -> None:
    flags, tenant_id = elsewhere.flags, tenant.tenant.id
    # What tests before this one set has just been taken back.
    await eventually(lambda: flags.is_enabled("semantic-cache", tenant_id), _WITHIN)
    assert not await flags.is_enabled("plugin-teams", tenant_id)
    started = time.monotonic()
    await put(operator, "/v1/flags", semantic_cache={"enabled": False})
    await put(operator, path_of(tenant), plugin_teams={"enabled": True})

    async def followed() -> bool:
        return not await flags.is_enabled("semantic-cache") and await flags.is_enabled("plugin-teams", tenant_id)

    await eventually(followed, _WITHIN)
    assert time.monotonic() - started < _WITHIN


async def test_what_is_changed_by_hand_in_the_database_is_followed_too(embedded: Process, elsewhere: Process) -> None:
    async with embedded.runtime.databases.acquire() as session:
        await session.execute("INSERT INTO flag_defaults (name, enabled) VALUES ('embeddings', false)")

    async def followed() -> bool:
        return not await elsewhere.flags.is_enabled("embeddings")

    await eventually(followed, _WITHIN)


async def test_an_event_makes_it_known_at_once(
    settings: Settings, operator: Caller, bus: Server, tenant: ProvisionedTenant
) -> None:
    address = f"nats://{bus.address}"
    async with process(settings, nats_url=SecretStr(address), flags_poll_seconds=3600.0) as patient:
        client = await nats.connect(address)
        await put(operator, "/v1/flags", document_ingestion={"enabled": False})
        state = FlagState(enabled=False)
        said = FlagUpdated(name="document-ingestion", previous=state, current=state, changed_by="x")
        event = Event.of(said, tenant_id=None, source="/dcoder/platform").to_json()

        async def followed() -> bool:
            # The process may not have subscribed yet.
            await client.publish("flag.updated", event)
            return not await patient.flags.is_enabled("document-ingestion", tenant.tenant.id)

        await eventually(followed, _WITHIN)
        await client.close()


@pytest_asyncio.fixture
async def gate(settings: Settings) -> AsyncIterator[Gate]:
    port = urlsplit(settings.database_url.get_secret_value()).port
    assert port
    made = Gate(port)
    await made.open()
    yield made
    await made.close()


def behind(gate: Gate, settings: Settings) -> dict[str, object]:
    parts = urlsplit(settings.database_url.get_secret_value())
    address = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{gate.port}").geturl()
    return {"database_url": SecretStr(address), "flags_poll_seconds": 0.1}


async def test_while_the_database_is_dead_the_last_known_flags_hold_and_it_heals(
    settings: Settings, gate: Gate, operator: Caller, tenant: ProvisionedTenant
) -> None:
    await put(operator, "/v1/flags", semantic_cache={"enabled": False})
    await put(operator, path_of(tenant), plugin_teams={"enabled": True})
    async with process(settings, **behind(gate, settings)) as cut_off, cut_off.caller(operator.credential) as caller:
        assert (await caller("GET", path_of(tenant))).status_code == 200
        await gate.close()

        async def noticed() -> bool:
            checks = (await cut_off.runtime.health.report())[1]["checks"]
            return bool(checks["flags"]["status"] == "down")

        await eventually(noticed, 5)
        assert not await cut_off.flags.is_enabled("semantic-cache")
        assert await cut_off.flags.is_enabled("plugin-teams", tenant.tenant.id)
        known = await caller("GET", path_of(tenant))
        assert known.status_code == 200
        assert next(f for f in known.json()["items"] if f["name"] == "plugin-teams")["enabled"]
        refused = await caller("PUT", path_of(tenant), {"flags": {"plugin-teams": None}})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "dependency_unavailable")
        assert (await cut_off.runtime.health.report())[0] == 200
        await put(operator, "/v1/flags", embeddings={"enabled": False})
        await gate.open()

        async def healed() -> bool:
            return not await cut_off.flags.is_enabled("embeddings")

        await eventually(healed, 5)


async def test_started_with_a_dead_database_flags_are_as_declared_and_it_heals(
    settings: Settings, gate: Gate, operator: Caller
) -> None:
    await put(operator, "/v1/flags", semantic_cache={"enabled": False})
    await gate.close()
    async with process(settings, **behind(gate, settings)) as started:
        assert await started.flags.is_enabled("semantic-cache")
        assert not await started.flags.is_enabled("plugin-jira", "any")
        assert await started.flags.value("agent-executions") == 25
        await gate.open()

        async def healed() -> bool:
            return not await started.flags.is_enabled("semantic-cache")

        await eventually(healed, 5)


async def test_contexts_of_one_process_share_what_they_follow(embedded: Process) -> None:
    from functions.kit.flags import feature_flags

    async with feature_flags(embedded.runtime) as one, feature_flags(embedded.runtime) as other:
        assert one is other is embedded.flags
    assert await embedded.flags.refresh()


async def test_a_value_that_is_changed_by_its_reader_stays_what_it_is(embedded: Process) -> None:
    notice = await embedded.flags.value("maintenance-notice")
    assert isinstance(notice, dict)
    notice["text"] = "changed"
    assert await embedded.flags.value("maintenance-notice") == {"text": "", "severity": "info"}
