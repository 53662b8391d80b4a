"""Who registered an address is told of changes, signed; nobody else is, and nothing inside is called."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from flagsmith.webhooks import verify_signature
from pydantic import SecretStr

from functions.kit.catalogue import load_catalogue
from functions.kit.database import UnitOfWork
from functions.kit.eventing import event_app
from functions.kit.events import CONTENT_TYPE, Event
from functions.kit.settings import Settings, load_settings
from functions.kit.subjects import FlagUpdated
from functions.platform.core.flags_errors import WebhookAddressRefused, WebhookUndelivered
from functions.platform.core.models import ProvisionedTenant
from tests.integration.platform_flags.conftest import Process, process
from tests.integration.platform_flags.identity import Caller, Issuer
from tests.integration.platform_flags.servers import Receiver
from tests.integration.platform_flags.test_api import path_of, put

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clean")]


@pytest_asyncio.fixture
async def receiver(webhook_receiver: Receiver) -> AsyncIterator[Receiver]:
    webhook_receiver.status = 204
    webhook_receiver.headers.clear()
    webhook_receiver.bodies.clear()
    webhook_receiver.seen.clear()
    yield webhook_receiver


async def said(embedded: Process, tenant_id: str | None) -> list[Event]:
    """The events in the outbox, as the dispatcher would bring them."""
    query = (
        "SELECT payload FROM outbox WHERE subject = 'flag.updated' AND tenant_id IS NOT DISTINCT FROM $1 ORDER BY id"
    )
    async with embedded.runtime.databases.acquire() as session:
        rows = await session.fetch(query, tenant_id)
    return [Event.from_json(json.dumps(row["payload"])) for row in rows]


async def tell(by: Process, event: Event) -> None:
    async with UnitOfWork(by.runtime.databases):
        await by.use.send_webhook(FlagUpdated.model_validate(event.data), event_id=event.id, at=event.time)


@asynccontextmanager
async def dispatcher() -> AsyncIterator[Callable[[Event], Awaitable[int]]]:
    """Brings events to the function as the dispatcher does, and says what it answered."""
    load_settings.cache_clear()
    app = event_app(load_catalogue().by_name("platform-flag-webhooks"))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://function") as client,
    ):

        async def bring(event: Event) -> int:
            answer = await client.post("/", content=event.to_json(), headers={"content-type": CONTENT_TYPE})
            return answer.status_code

        yield bring
    load_settings.cache_clear()


async def register(operator: Caller, tenant: ProvisionedTenant, url: str, **secret: str) -> dict[str, Any]:
    answer = await operator("PUT", f"{path_of(tenant)}/webhook", {"url": url, **secret})
    assert answer.status_code == 200, answer.text
    registered: dict[str, Any] = answer.json()
    return registered


async def test_a_change_is_sent_as_flagsmith_would_and_the_official_client_verifies_it(
    settings: Settings,
    embedded: Process,
    operator: Caller,
    tenant: ProvisionedTenant,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = (await register(operator, tenant, receiver.url))["secret"]
    await put(operator, path_of(tenant), agent_executions={"enabled": True, "value": 3})
    event = (await said(embedded, tenant.tenant.id))[0]
    monkeypatch.setenv("DCODER_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("DCODER_KEK_FILE", str(settings.kek_file))
    monkeypatch.setenv("DCODER_NATS_URL", settings.nats_url.get_secret_value())
    monkeypatch.setenv("DCODER_EGRESS_ALLOW", f"127.0.0.1:{receiver.port}")
    async with dispatcher() as bring:
        for _ in range(2):
            assert await bring(event) < 300
        assert await bring(Event("x", "/s", "flag.updated", "", {"name": 1})) == 400
    assert len(receiver.bodies) == 1
    body, headers = receiver.bodies[0], receiver.seen[0]
    assert verify_signature(body, headers["x-flagsmith-signature"], secret)
    assert headers["webhook-id"] == event.id
    sent = json.loads(body)
    assert sent["event_type"] == "FLAG_UPDATED"
    new, old = sent["data"]["new_state"], sent["data"]["previous_state"]
    assert (new["feature"]["name"], new["enabled"], new["feature_state_value"]) == ("agent-executions", True, 3)
    assert old["feature_state_value"] == 25


async def test_what_the_receiver_does_not_take_is_tried_again(
    embedded: Process, operator: Caller, tenant: ProvisionedTenant, receiver: Receiver
) -> None:
    await register(operator, tenant, receiver.url)
    await put(operator, path_of(tenant), plugin_jira={"enabled": True})
    event = (await said(embedded, tenant.tenant.id))[0]
    for status in (500, 404, 302):
        receiver.status = status
        receiver.headers["Location"] = receiver.url
        with pytest.raises(WebhookUndelivered):
            await tell(embedded, event)
    assert len(receiver.bodies) == 3
    receiver.status = 200
    await tell(embedded, event)
    assert len({headers["webhook-id"] for headers in receiver.seen}) == 1


async def test_nobody_is_told_who_has_not_asked(
    embedded: Process, operator: Caller, tenant: ProvisionedTenant, receiver: Receiver
) -> None:
    await put(operator, path_of(tenant), plugin_jira={"enabled": True})
    await register(operator, tenant, receiver.url)
    assert (await operator("DELETE", f"{path_of(tenant)}/webhook")).status_code == 204
    for event in await said(embedded, tenant.tenant.id):
        await tell(embedded, event)
    assert receiver.bodies == []


async def test_the_operator_is_told_of_defaults(
    settings: Settings, embedded: Process, operator: Caller, receiver: Receiver
) -> None:
    await put(operator, "/v1/flags", embeddings={"enabled": False})
    event = (await said(embedded, None))[-1]
    target = {"flags_webhook_url": receiver.url, "flags_webhook_secret": SecretStr("the operator's own")}
    async with process(settings, egress_allow=f"127.0.0.1:{receiver.port}", **target) as configured:
        await tell(configured, event)
    assert verify_signature(receiver.bodies[0], receiver.seen[0]["x-flagsmith-signature"], "the operator's own")
    assert json.loads(receiver.bodies[0])["data"]["new_state"]["feature_segment"] is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://169.254.169.254/", "ftp://example.com", "nonsense"])
async def test_addresses_inside_are_not_registered(operator: Caller, tenant: ProvisionedTenant, url: str) -> None:
    answer = await operator("PUT", f"{path_of(tenant)}/webhook", {"url": url})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhook_address_refused")


async def test_a_name_that_leads_inside_is_not_called(
    settings: Settings, embedded: Process, operator: Caller, tenant: ProvisionedTenant, receiver: Receiver
) -> None:
    await register(operator, tenant, "https://localhost.localdomain/hook")
    await put(operator, path_of(tenant), plugin_jira={"enabled": True})
    with pytest.raises(WebhookUndelivered):
        await tell(embedded, (await said(embedded, tenant.tenant.id))[0])
    await register(operator, tenant, receiver.url)
    async with process(settings, egress_allow="") as strict:
        with pytest.raises(WebhookAddressRefused):
            await tell(strict, (await said(embedded, tenant.tenant.id))[0])
    assert receiver.bodies == []


async def test_the_secret_is_shown_once_and_stored_encrypted(
    embedded: Process, operator: Caller, tenant: ProvisionedTenant, receiver: Receiver
) -> None:
    path = f"{path_of(tenant)}/webhook"
    assert (await operator("GET", path)).json()["error"]["code"] == "flag_webhook_not_found"
    assert (await operator("DELETE", path)).status_code == 404
    made = await register(operator, tenant, receiver.url)
    assert len(made["secret"]) >= 32
    assert (await register(operator, tenant, f"{receiver.url}?a=1"))["secret"] is None
    shown = (await operator("GET", path)).json()
    assert (shown["url"], shown["secret"]) == (f"{receiver.url}?a=1", None)
    async with embedded.runtime.databases.acquire() as session:
        stored = await session.fetchval("SELECT secret FROM flag_webhooks WHERE tenant_id = $1", tenant.tenant.id)
    assert made["secret"].encode() not in bytes(stored)
    own = await register(operator, tenant, receiver.url, secret="a-secret-of-the-tenant's-own")
    assert own["secret"] == "a-secret-of-the-tenant's-own"
    short = await operator("PUT", path, {"url": receiver.url, "secret": "short"})
    assert short.status_code == 422


async def test_only_admins_manage_the_address(operator: Caller, issuer: Issuer, tenant: ProvisionedTenant) -> None:
    user = operator.with_credential(issuer.token(["user"], tenant.tenant.id))
    for method, body in (("GET", None), ("PUT", {"url": "https://example.com/"}), ("DELETE", None)):
        assert (await user(method, f"{path_of(tenant)}/webhook", body)).status_code == 403
