"""Webhooks about flags: tenants' addresses are told of changes, and Flagsmith tells us of those made there.

Bodies and signatures are those of Flagsmith's environment webhooks, in both directions (docs.flagsmith.com).
"""

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass, replace
from typing import Any

import orjson

from functions.kit.clock import utc_now
from functions.kit.errors import Unauthenticated
from functions.kit.flag_registry import FlagRegistry
from functions.kit.flag_states import feature_id
from functions.kit.subjects import FlagState, FlagUpdated
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.flags import all_scopes, updates
from functions.platform.core.flags_errors import FlagWebhookNotFound
from functions.platform.core.flags_ports import (
    FlagEvents,
    Refreshable,
    TenantPresence,
    Webhook,
    Webhooks,
    WebhookSender,
)
from functions.platform.core.models import tenant_id_of

SIGNATURE_HEADER = "X-Flagsmith-Signature"
# Standard Webhooks' name for it: the same for every try, so that a receiver can tell a repetition.
ID_HEADER = "Webhook-Id"
FLAGSMITH = "flagsmith"
_SECRET_BYTES = 32
_logger = logging.getLogger(__name__)


def sign(body: bytes, secret: str) -> str:
    """HMAC-SHA256 of a body under a secret, in hex, as Flagsmith signs its webhooks."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class PlatformTarget:
    """The address that the operator wants to be told of changed defaults at; empty for none."""

    url: str = ""
    secret: str = ""


class ManageWebhook:
    """A tenant's one address for flag changes."""

    def __init__(self, tenants: TenantPresence, webhooks: Webhooks, sender: WebhookSender) -> None:
        self._tenants = tenants
        self._webhooks = webhooks
        self._sender = sender

    async def put(self, tenant_id: str, url: str, secret: str | None) -> tuple[Webhook, bool]:
        """Register an address in place of another; a secret is made up where none is given and none is stored.

        Returns:
            the webhook, and whether its secret is new.

        Raises:
            TenantNotFound: there is no such tenant.
            WebhookAddressRefused: the address is not one the platform calls.
        """
        tenant_id = await self._existing(tenant_id)
        self._sender.check(url)
        stored = await self._webhooks.find(tenant_id)
        now = utc_now()
        if stored is not None:
            webhook = replace(stored, url=url, secret=secret or stored.secret, updated_at=now)
        else:
            webhook = Webhook(url, secret or secrets.token_urlsafe(_SECRET_BYTES), now, now)
        await self._webhooks.put(tenant_id, webhook)
        return webhook, stored is None or webhook.secret != stored.secret

    async def get(self, tenant_id: str) -> Webhook:
        """The tenant's address.

        Raises:
            TenantNotFound: there is no such tenant.
            FlagWebhookNotFound: it has registered none.
        """
        webhook = await self._webhooks.find(await self._existing(tenant_id))
        if webhook is None:
            raise FlagWebhookNotFound("no address is registered")
        return webhook

    async def remove(self, tenant_id: str) -> None:
        """Forget the tenant's address.

        Raises:
            TenantNotFound: there is no such tenant.
            FlagWebhookNotFound: it has registered none.
        """
        if not await self._webhooks.remove(await self._existing(tenant_id)):
            raise FlagWebhookNotFound("no address is registered")

    async def _existing(self, text: str) -> str:
        tenant_id = tenant_id_of(text)
        if not await self._tenants.exists(tenant_id):
            raise TenantNotFound("there is no such tenant")
        return tenant_id


class SendFlagWebhook:
    """Tells of a changed flag: the tenant whose override changed, or the operator where a default did."""

    def __init__(
        self,
        webhooks: Webhooks,
        sender: WebhookSender,
        registry: FlagRegistry,
        *,
        platform: PlatformTarget,
        environment: str,
    ) -> None:
        self._webhooks = webhooks
        self._sender = sender
        self._registry = registry
        self._platform = platform
        self._environment = environment

    async def __call__(self, update: FlagUpdated, *, event_id: str, at: str) -> None:
        """Send, if anybody wants to be told.

        Raises:
            WebhookAddressRefused: the address may not be called any more; to try again is in vain.
            WebhookUndelivered: the receiver did not take it; it is worth another try.
        """
        target = await self._target(update.tenant_id)
        if target is None:
            return
        body = orjson.dumps(self._body(update, at), option=orjson.OPT_SORT_KEYS)
        headers = {"Content-Type": "application/json", ID_HEADER: event_id}
        if target.secret:
            headers[SIGNATURE_HEADER] = sign(body, target.secret)
        await self._sender.send(target.url, body, headers)

    async def _target(self, tenant_id: str | None) -> PlatformTarget | None:
        if tenant_id is None:
            return self._platform if self._platform.url else None
        webhook = await self._webhooks.find(tenant_id)
        return PlatformTarget(webhook.url, webhook.secret) if webhook else None

    def _body(self, update: FlagUpdated, at: str) -> dict[str, Any]:
        return {
            "event_type": "FLAG_UPDATED",
            "data": {
                "changed_by": update.changed_by,
                "timestamp": at,
                "new_state": self._state(update, update.current),
                "previous_state": self._state(update, update.previous),
            },
        }

    def _state(self, update: FlagUpdated, state: FlagState) -> dict[str, Any]:
        declared = self._registry.get(update.name)
        return {
            "enabled": state.enabled,
            "environment": {"id": 1, "name": self._environment},
            "feature": {
                "id": feature_id(update.name),
                "name": update.name,
                "type": "STANDARD",
                "description": declared.description if declared else None,
                "project": {"id": 1, "name": self._environment},
            },
            "feature_segment": {"segment": {"name": f"tenant-{update.tenant_id}"}} if update.tenant_id else None,
            "feature_state_value": declared.encode(state.value) if declared else state.value,
            "identity": None,
            "identity_identifier": None,
            "multivariate_feature_state_values": [],
        }


class HearFlagsmith:
    """Takes Flagsmith's word that something has changed there, and looks what."""

    def __init__(self, flags: Refreshable, events: FlagEvents, secret: str) -> None:
        self._flags = flags
        self._events = events
        self._secret = secret

    async def __call__(self, body: bytes, signature: str) -> None:
        """Ask Flagsmith again and say what differs. Of the body only the signature counts: it may be late or repeated.

        Raises:
            Unauthenticated: the signature is not of this body under our secret, or we have none.
            DependencyUnavailable: Flagsmith cannot be asked.
        """
        expected = sign(body, self._secret)
        if not self._secret or not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Unauthenticated("the signature is not valid")
        before = self._flags.document
        after = await self._flags.refresh()
        for update in updates(before, after, sorted(all_scopes(before, after), key=str), by=FLAGSMITH):
            _logger.info("a flag was changed in Flagsmith", extra={"flag": update.name, "tenant": update.tenant_id})
            self._events.publish(update)
