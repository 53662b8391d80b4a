"""Logto's deliveries as it makes them: signed, with the whole user or the difference in an organisation."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.platform import Api, Platform, Reply

USER: dict[str, Any] = {
    "username": None, "primaryPhone": None, "avatar": None, "customData": {}, "identities": {}, "lastSignInAt": None,
    "createdAt": 1764150000000, "updatedAt": 1764150000000, "profile": {}, "applicationId": None, "isSuspended": False,
}  # fmt: skip


class Logto:
    """Delivers webhooks to the platform, a second apart by its own clock."""

    def __init__(self, platform: Platform, api: Api) -> None:
        self._key = str(platform.status["credentials"]["logtoWebhookKey"])
        self._api = api
        self._now = datetime.now(UTC)

    def sign(self, body: bytes) -> str:
        return hmac.new(self._key.encode(), body, hashlib.sha256).hexdigest()

    def tick(self) -> str:
        self._now += timedelta(seconds=1)
        return self._now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def send(self, body: bytes, signature: str | None = None) -> Reply:
        headers = {"logto_signature_sha_256": self.sign(body) if signature is None else signature}
        return await self._api.as_("").call("POST", "/v1/webhooks/logto", data=body, **headers)

    async def tell(self, event: str, *, at: str = "", **fields: Any) -> str:
        """Deliver an event; what came of it."""
        reply = await self.send(self.delivery(event, at=at, **fields))
        assert reply.status == 200, reply.body
        return str(reply.body["outcome"])

    def delivery(self, event: str, *, at: str = "", **fields: Any) -> bytes:
        body = {"event": event, "createdAt": at or self.tick(), "userAgent": "curl", "ip": "127.0.0.1", "hookId": "h1"}
        return json.dumps({**body, **fields}, separators=(",", ":")).encode()

    async def user(self, event: str, subject: str, email: str | None, *, at: str = "", **fields: Any) -> str:
        data = {**USER, "id": subject, "primaryEmail": email, "name": "Ada", **fields}
        context = {"path": f"/api/users/{subject}", "method": "PATCH", "status": 200, "params": {"userId": subject}}
        return await self.tell(event, at=at, data=data, **context)

    async def organization(self, organization_id: str, tenant_id: str) -> str:
        data = {"id": organization_id, "name": "Acme", "customData": {"tenantId": tenant_id}}
        return await self.tell("Organization.Data.Updated", data=data)

    async def membership(
        self, organization_id: str, *, at: str = "", added: tuple[str, ...] = (), removed: tuple[str, ...] = ()
    ) -> str:
        delta = {name: list(ids) for name, ids in (("addedUserIds", added), ("removedUserIds", removed)) if ids}
        return await self.tell("Organization.Membership.Updated", at=at, organizationId=organization_id, **delta)
