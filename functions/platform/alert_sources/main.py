"""On quota.threshold and system.signal: alerts, and the end of those that went away by themselves."""

from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import QuotaThreshold, SystemSignal
from functions.platform.core.alert_sources import of_signal, of_threshold, signal_key
from functions.platform.event_data import read
from functions.platform.wiring_alerts import Alerting, alerting


async def take(use: Alerting, event: Event) -> None:
    """Raise what the event gives cause for."""
    if event.type == QuotaThreshold.subject:
        await use.raise_([of_threshold(read(QuotaThreshold, event))])
    elif event.type == SystemSignal.subject:
        signal = read(SystemSignal, event)
        if signal.state == "failing":
            await use.raise_([of_signal(signal)])
        else:
            await use.raise_.recover(None, signal_key(signal), "recovered")


handle = event_function(alerting, name="platform-alert-sources")(take)
