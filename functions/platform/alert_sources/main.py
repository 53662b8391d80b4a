"""On quota.threshold, guardrail.alerted, tool.changed, system.signal: alerts, and the end of what went by itself."""

from functions.kit.event_data import read
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import GuardrailAlerted, QuotaThreshold, SystemSignal, ToolChanged
from functions.platform.core.alert_sources import of_findings, of_held_tools, of_signal, of_threshold, signal_key
from functions.platform.wiring_alerts import Alerting, alerting


async def take(use: Alerting, event: Event) -> None:
    """Raise what the event gives cause for."""
    if event.type == QuotaThreshold.subject:
        await use.raise_([of_threshold(read(QuotaThreshold, event))])
    elif event.type == GuardrailAlerted.subject:
        await use.raise_(of_findings(read(GuardrailAlerted, event)))
    elif event.type == ToolChanged.subject:
        await use.raise_([of_held_tools(read(ToolChanged, event))])
    elif event.type == SystemSignal.subject:
        signal = read(SystemSignal, event)
        if signal.state == "failing":
            await use.raise_([of_signal(signal)])
        else:
            await use.raise_.recover(None, signal_key(signal), "recovered")


handle = event_function(alerting, name="platform-alert-sources")(take)
