"""A tenant's guardrails: read, and set anew."""

from collections.abc import Awaitable, Callable

from functions.guardrails.core.errors import DetectorNotOffered, ModeNotOffered, TenantUnknown
from functions.guardrails.core.ports import Alerts, SettingsStore
from functions.guardrails.core.settings import Detectors, GuardrailSettings

Exists = Callable[[str], Awaitable[bool]]


class GetGuardrails:
    """Reads them."""

    def __init__(self, settings: SettingsStore, exists: Exists) -> None:
        self._settings = settings
        self._exists = exists

    async def __call__(self, tenant_id: str) -> GuardrailSettings:
        """The tenant's own, or the platform's defaults.

        Raises:
            TenantUnknown: there is no such tenant.
        """
        if not await self._exists(tenant_id):
            raise TenantUnknown("there is no such tenant")
        return await self._settings.of_tenant(tenant_id)


class PutGuardrails:
    """Sets them anew.

    Args:
        offered: the detectors, by the name of their field, that can run here.
    """

    def __init__(self, settings: SettingsStore, exists: Exists, alerts: Alerts, offered: frozenset[str]) -> None:
        self._settings = settings
        self._exists = exists
        self._alerts = alerts
        self._offered = offered

    async def __call__(self, tenant_id: str, wanted: GuardrailSettings) -> GuardrailSettings:
        """Make these all that holds; within seconds for calls that begin.

        Raises:
            TenantUnknown: there is no such tenant.
            ModeNotOffered: they are to block.
            DetectorNotOffered: a detector is to be on that cannot run here.
        """
        if wanted.mode != "detect":
            raise ModeNotOffered(
                "guardrails detect and never block; blocking comes with R3", details={"mode": wanted.mode}
            )
        for name in Detectors.model_fields:
            if getattr(wanted.detectors, name).enabled and name not in self._offered:
                alias = str(Detectors.model_fields[name].alias)
                raise DetectorNotOffered(f"{alias} is not set up on this platform", details={"detector": alias})
        if not await self._exists(tenant_id):
            raise TenantUnknown("there is no such tenant")
        await self._settings.put(tenant_id, wanted)
        self._alerts.say_changed(tenant_id)
        return wanted
