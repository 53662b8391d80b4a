"""Events, by way of the unit of work's outbox."""

from functions.kit.database import unit_of_work
from functions.kit.events import Event
from functions.kit.subjects import GuardrailAlerted, TenantUpdated

_SOURCE = "/dcoder/guardrails"


class OutboxAlerts:
    """Port `Alerts`."""

    def raise_alert(self, alert: GuardrailAlerted) -> None:
        """Something was found in a call."""
        unit_of_work().emit(Event.of(alert, tenant_id=alert.tenant_id, source=_SOURCE))

    def say_changed(self, tenant_id: str) -> None:
        """A tenant's settings have changed."""
        changed = TenantUpdated(tenant_id=tenant_id, changed=["guardrails"])
        unit_of_work().emit(Event.of(changed, tenant_id=tenant_id, source=_SOURCE))
