"""Logto's webhooks: what they say, and that it is Logto who says it (docs.logto.io, Webhooks).

The body is signed with HMAC-SHA256 under the webhook's signing key, in hex. A delivery is one event; it names the time
at which it happened (`createdAt`), holds the whole user (`data`) for the events about users and only the difference for
memberships. Logto tries a delivery once, so every event may be missing, and some may come late or twice.
"""

import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from functions.kit.errors import Unauthenticated, UnreadableEvent
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.lifecycle import FollowAccounts, FollowOrganizations
from functions.platform.core.lifecycle_ports import AccountStatus, ToldAccount

SIGNATURE_HEADER = "logto-signature-sha-256"
# As long as Logto's own columns and ids.
_LONGEST_ID = 128
_LONGEST_TEXT = 320
_USER_EVENTS = frozenset({"User.Created", "User.Data.Updated", "User.SuspensionStatus.Updated", "User.Deleted"})
_ORGANIZATION_EVENTS = frozenset({"Organization.Created", "Organization.Data.Updated"})
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a delivery; Logto shows it beside the delivery in its log.

    Attributes:
        reason: why nothing came of it, or not yet.
    """

    outcome: Literal["applied", "repeated", "ignored"]
    reason: str | None = None


class HearLogto:
    """Takes a delivery."""

    def __init__(self, key: str, accounts: FollowAccounts, organizations: FollowOrganizations) -> None:
        self._key = key.encode()
        self._accounts = accounts
        self._organizations = organizations

    async def __call__(self, body: bytes, signature: str) -> Heard:
        """Do what the event asks for.

        Raises:
            Unauthenticated: the signature is not of this body under our key, or we have none.
            UnreadableEvent: the body is not what Logto sends.
        """
        expected = hmac.new(self._key, body, hashlib.sha256).hexdigest()
        if not self._key or not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Unauthenticated("the signature is not valid")
        delivery = _Delivery.read(body)
        heard = await self._hear(delivery)
        if heard.outcome == "ignored":
            _logger.info("a delivery of Logto was ignored", extra={"event": delivery.event, "reason": heard.reason})
        return heard

    async def _hear(self, delivery: "_Delivery") -> Heard:
        if delivery.event in _USER_EVENTS:
            account = delivery.account()
            if account is None:
                return Heard("ignored", "the event does not hold the user")
            return _applied(await self._accounts(account))
        if delivery.event in _ORGANIZATION_EVENTS:
            return await self._organization(delivery)
        if delivery.event == "Organization.Deleted":
            organization_id = _id(delivery.parameters.get("id"))
            if organization_id is None:
                return Heard("ignored", "the event names no organisation")
            return _applied(await self._organizations.ended(organization_id, delivery.at))
        if delivery.event == "Organization.Membership.Updated":
            return await self._membership(delivery)
        return Heard("ignored", "the platform does not follow this kind of event")

    async def _organization(self, delivery: "_Delivery") -> Heard:
        organization_id = _id(delivery.data.get("id"))
        custom = delivery.data.get("customData")
        tenant_id = custom.get("tenantId") if isinstance(custom, Mapping) else None
        if organization_id is None or not isinstance(tenant_id, str):
            return Heard("ignored", "the organisation's custom data name no tenantId")
        try:
            return _applied(await self._organizations.told(organization_id, tenant_id, delivery.at))
        except TenantNotFound:
            return Heard("ignored", "the platform has no tenant of this tenantId")

    async def _membership(self, delivery: "_Delivery") -> Heard:
        organization_id = _id(delivery.whole.get("organizationId"))
        joined, left = (_ids(delivery.whole.get(name)) for name in ("addedUserIds", "removedUserIds"))
        if organization_id is None or not (joined or left):
            return Heard("ignored", "the event names no member")
        told = [await self._organizations.left(organization_id, each, delivery.at) for each in left]
        told += [await self._organizations.joined(organization_id, each, delivery.at) for each in joined]
        heard = _applied(any(told))
        if not await self._organizations.stands_for_tenant(organization_id):
            return Heard(heard.outcome, "kept until the organisation stands for a tenant")
        return heard


@dataclass(frozen=True, slots=True)
class _Delivery:
    event: str
    at: datetime
    data: Mapping[str, Any]
    parameters: Mapping[str, Any]
    whole: Mapping[str, Any]

    @classmethod
    def read(cls, body: bytes) -> "_Delivery":
        try:
            whole = orjson.loads(body)
            at = datetime.fromisoformat(whole["createdAt"])
            event = whole["event"]
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise UnreadableEvent("this is no delivery of Logto: event and createdAt are needed") from error
        if not isinstance(event, str):
            raise UnreadableEvent("this is no delivery of Logto: event is not text")
        data, parameters = (found if isinstance(found := whole.get(name), dict) else {} for name in ("data", "params"))
        return cls(event, at if at.tzinfo else at.replace(tzinfo=UTC), data, parameters, whole)

    def account(self) -> ToldAccount | None:
        """The account that the event holds; some updates hold only what was changed."""
        subject, named = _id(self.data.get("id")), self.parameters.get("userId")
        if subject is None or (named is not None and named != subject) or "isSuspended" not in self.data:
            return None
        status = AccountStatus.SUSPENDED if self.data["isSuspended"] is True else AccountStatus.ACTIVE
        return ToldAccount(
            subject=subject,
            email=_text(self.data.get("primaryEmail")),
            name=_text(self.data.get("name")) or _text(self.data.get("username")),
            status=AccountStatus.DELETED if self.event == "User.Deleted" else status,
            at=self.at,
        )


def _applied(told: bool) -> Heard:
    return Heard("applied") if told else Heard("repeated", "this or something later was heard before")


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable() else None


def _ids(value: object) -> Sequence[str]:
    return [found for each in value if (found := _id(each))] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT and value.isprintable() else None
