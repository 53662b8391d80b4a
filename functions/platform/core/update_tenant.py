"""Changing a tenant: its name, status, plan, region, branding and settings."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from pydantic import ValidationError

from functions.kit.errors import Unprocessable
from functions.kit.settings import TenantSettings
from functions.kit.subjects import TenantUpdated
from functions.platform.core.errors import TenantChanged, TenantNotFound, TenantNotReady
from functions.platform.core.models import Tenant, TenantChanges, TenantStatus, tenant_id_of
from functions.platform.core.ports import Events, Tenants

# How the fields are called where others hear of them.
_TOLD_AS = {"overrides": "settings"}


class UpdateTenant:
    """Changes a tenant."""

    def __init__(self, tenants: Tenants, events: Events) -> None:
        self._tenants = tenants
        self._events = events

    async def __call__(self, tenant_id: str, changes: TenantChanges, expected: frozenset[str] | None = None) -> Tenant:
        """Make the changes; where nothing is different afterwards nothing happened.

        Args:
            expected: versions that may be changed; None for any.

        Raises:
            TenantNotFound: there is no such tenant.
            TenantNotReady: it is still being provisioned.
            TenantChanged: it has another version.
            Unprocessable: the settings do not go together.
        """
        before = await self._tenants.lock(tenant_id_of(tenant_id))
        if before is None:
            raise TenantNotFound("there is no such tenant")
        if before.status is TenantStatus.PROVISIONING:
            raise TenantNotReady("the tenant is still being provisioned")
        if expected is not None and before.version not in expected:
            raise TenantChanged("the tenant has changed meanwhile", details={"version": before.version})
        after = _changed(before, changes)
        different = [f.name for f in fields(Tenant) if getattr(after, f.name) != getattr(before, f.name)]
        if not different:
            return before
        changed = sorted(_TOLD_AS.get(name, name) for name in different)
        self._events.publish(TenantUpdated(tenant_id=before.id, changed=changed), before.id)
        return await self._tenants.change(after)


def _changed(tenant: Tenant, changes: TenantChanges) -> Tenant:
    merged: dict[str, Any] = {**changes}
    for name in ("branding", "overrides"):
        if name in merged:
            merged[name] = _merged(getattr(tenant, name), merged[name])
    if "overrides" in changes:
        _check(merged["overrides"])
    return replace(tenant, **merged)


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396 for one level."""
    return {key: value for key, value in {**before, **patch}.items() if value is not None}


def _check(overrides: dict[str, Any]) -> None:
    try:
        TenantSettings.of(overrides)
    except ValidationError as error:
        issues = [
            {"field": ".".join(["settings", *map(str, issue["loc"])]), "problem": issue["msg"]}
            for issue in error.errors()
        ]
        raise Unprocessable("the settings do not go together", details={"issues": issues}) from error
