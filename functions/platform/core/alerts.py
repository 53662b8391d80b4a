"""Alerts: raised once for each condition, read by page, acknowledged, assigned and resolved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from functions.kit.clock import utc_now
from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.errors import Conflict, InvalidRequest, NotFound
from functions.kit.identifiers import is_id
from functions.kit.principal import Principal
from functions.kit.subjects import Alert, AlertKind, AlertRaised, AlertSeverity, AlertStatus, AlertUpdated
from functions.platform.core.member_errors import UnknownReference
from functions.platform.core.member_ports import Users
from functions.platform.core.members import UserStatus
from functions.platform.core.models import Slice, tenant_id_of
from functions.platform.core.ports import Events

SYSTEM = "system"
SEVERITIES: tuple[AlertSeverity, ...] = ("info", "warning", "critical")


class AlertNotFound(NotFound):
    """There is no such alert for this caller."""

    code = "alert_not_found"


class AlertResolved(Conflict):
    """The alert is resolved: it can no longer be acknowledged or assigned."""

    code = "alert_resolved"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that has been seen and should raise an alert.

    Attributes:
        key: what it is about, within the tenant; what is seen again under the key belongs to the same alert.
        once: one alert is ever raised under the key; otherwise one until it is resolved, and then another.
        tenant_id: None for the platform itself.
    """

    tenant_id: str | None
    kind: AlertKind
    severity: AlertSeverity
    key: str
    title: str
    at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    once: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """What came of a condition.

    Attributes:
        before: how often it had been seen, and how grave it was; None when the alert is new.
    """

    alert: Alert
    before: tuple[int, AlertSeverity] | None


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts to list; what is empty or None lets all through.

    Attributes:
        start: raised at that moment or later.
        end: raised before.
    """

    kinds: Sequence[AlertKind] = ()
    severities: Sequence[AlertSeverity] = ()
    statuses: Sequence[AlertStatus] = ()
    start: datetime | None = None
    end: datetime | None = None
    tenant_id: str | None = None


class Alerts(Protocol):
    """The register of alerts, within the unit of work."""

    async def see(self, condition: Condition) -> Sighting | None:
        """Raise an alert or add to the one there is; None when it was raised before, once and for all."""
        ...

    async def page(self, wanted: AlertFilter, limit: int, before: str | None) -> Sequence[Alert]:
        """At most `limit` alerts, newest first, beginning after the one with the id `before`."""
        ...

    async def find(self, alert_id: str, *, lock: bool = False) -> Alert | None:
        """An alert of anybody's; with `lock`, changes to it are held off until the unit of work ends."""
        ...

    async def unresolved(self, tenant_id: str | None, key: str) -> Alert | None:
        """The alert about this that is not resolved, held until the unit of work ends."""
        ...

    async def change(self, alert: Alert) -> None:
        """Store how far an alert is."""
        ...


class RaiseAlerts:
    """Turns conditions into alerts, and takes back those that went away by themselves."""

    def __init__(self, alerts: Alerts, events: Events) -> None:
        self._alerts = alerts
        self._events = events

    async def __call__(self, conditions: Sequence[Condition]) -> None:
        """Raise what is new, add to what is known. Said again when it is graver, or seen twice as often."""
        # In the order of their keys: events that overlap then wait for each other instead of deadlocking.
        for condition in sorted(conditions, key=lambda each: (each.tenant_id or "", each.key)):
            seen = await self._alerts.see(condition)
            if seen is None:
                continue
            alert = seen.alert
            if seen.before is None:
                self._events.publish(AlertRaised(alert=alert), alert.tenant_id)
            elif (alert.count.bit_length(), alert.severity) != (seen.before[0].bit_length(), seen.before[1]):
                self._events.publish(AlertUpdated(alert=alert), alert.tenant_id)

    async def recover(self, tenant_id: str | None, key: str, note: str) -> None:
        """What was wrong no longer is: resolve the alert about it, if there is one."""
        alert = await self._alerts.unresolved(tenant_id, key)
        if alert is not None:
            await _store(self._alerts, self._events, alert, _resolved(SYSTEM, note))


class ReadAlerts:
    """Reads alerts."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    async def page(self, wanted: AlertFilter, limit: int, cursor: str | None) -> Slice[Alert]:
        """Those wanted, newest first.

        Raises:
            TenantNotFound: the tenant wanted cannot be.
            InvalidRequest: the cursor is not one of this listing.
        """
        if wanted.tenant_id is not None:
            tenant_id_of(wanted.tenant_id)
        before = None if cursor is None else str(decode_cursor(cursor, str)[0])
        if before is not None and not is_id(before):
            raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"})
        found = await self._alerts.page(wanted, limit + 1, before)
        page = tuple(found[:limit])
        return Slice(page, encode_cursor(page[-1].id) if len(found) > limit else None)

    async def one(self, alert_id: str, tenant_id: str | None) -> Alert:
        """One alert.

        Args:
            tenant_id: whose it must be; None: anybody's.

        Raises:
            AlertNotFound: there is none.
        """
        return await _found(self._alerts, alert_id, tenant_id)


class HandleAlerts:
    """Acknowledges, assigns and resolves. Each is sound to repeat: who did it first, and when, stays."""

    def __init__(self, alerts: Alerts, users: Users, events: Events) -> None:
        self._alerts = alerts
        self._users = users
        self._events = events

    async def acknowledge(self, caller: Principal, alert_id: str, tenant_id: str | None) -> Alert:
        """Say that somebody has seen it.

        Raises:
            AlertNotFound: there is no such alert.
            AlertResolved: it is resolved.
        """
        alert = await self._open(alert_id, tenant_id)
        if alert.status == "acknowledged":
            return alert
        changes = {"status": "acknowledged", "acknowledged_at": utc_now(), "acknowledged_by": _who(caller)}
        return await _store(self._alerts, self._events, alert, changes)

    async def assign(self, caller: Principal, alert_id: str, tenant_id: str | None, user_id: str | None) -> Alert:
        """Say who is to see to it; None: nobody any more.

        Raises:
            AlertNotFound: there is no such alert.
            AlertResolved: it is resolved.
            UnknownReference: the alert's tenant has no such user who may call.
        """
        alert = await self._open(alert_id, tenant_id)
        if alert.assigned_to == user_id:
            return alert
        if user_id is not None and alert.tenant_id is not None:
            await self._ensure_user(alert.tenant_id, user_id)
        changes: dict[str, Any] = {"assigned_to": user_id, "assigned_at": utc_now(), "assigned_by": _who(caller)}
        if user_id is None:
            changes.update(assigned_at=None, assigned_by=None)
        return await _store(self._alerts, self._events, alert, changes)

    async def resolve(self, caller: Principal, alert_id: str, tenant_id: str | None, note: str) -> Alert:
        """Say that it is done with; what is seen of it from now on raises another.

        Raises:
            AlertNotFound: there is no such alert.
        """
        alert = await _found(self._alerts, alert_id, tenant_id, lock=True)
        if alert.status == "resolved":
            return alert
        return await _store(self._alerts, self._events, alert, _resolved(_who(caller), note))

    async def _open(self, alert_id: str, tenant_id: str | None) -> Alert:
        alert = await _found(self._alerts, alert_id, tenant_id, lock=True)
        if alert.status == "resolved":
            raise AlertResolved("the alert is resolved", details={"status": alert.status})
        return alert

    async def _ensure_user(self, tenant_id: str, user_id: str) -> None:
        user = await self._users.find(tenant_id, user_id) if is_id(user_id) else None
        if user is None or user.status is UserStatus.DEACTIVATED:
            raise UnknownReference("the tenant has no such user who may call", details={"field": "userId"})


def worst(first: AlertSeverity, second: AlertSeverity) -> AlertSeverity:
    """The graver of two."""
    return max(first, second, key=SEVERITIES.index)


def _resolved(by: str, note: str) -> dict[str, Any]:
    return {"status": "resolved", "resolved_at": utc_now(), "resolved_by": by, "note": note}


async def _found(alerts: Alerts, alert_id: str, tenant_id: str | None, *, lock: bool = False) -> Alert:
    alert = await alerts.find(alert_id, lock=lock) if is_id(alert_id) else None
    if alert is None or (tenant_id is not None and alert.tenant_id != tenant_id):
        raise AlertNotFound("there is no such alert")
    return alert


async def _store(alerts: Alerts, events: Events, alert: Alert, changes: Mapping[str, Any]) -> Alert:
    changed = alert.model_copy(update={**changes, "updated_at": utc_now()})
    await alerts.change(changed)
    events.publish(AlertUpdated(alert=changed), changed.tenant_id)
    return changed


def _who(caller: Principal) -> str:
    return caller.user_id or caller.subject
