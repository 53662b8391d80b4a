"""The relay's metrics."""

from prometheus_client import Counter, Gauge, Histogram

OUTBOX_PUBLISHED = Counter("dcoder_relay_outbox_published_total", "Outbox rows published.")
OUTBOX_REFUSED = Counter("dcoder_relay_outbox_refused_total", "Attempts to publish an outbox row that NATS refused.")
USAGE_RECORDS = Counter("dcoder_relay_usage_records_total", "Usage records published.")
USAGE_POISON = Counter("dcoder_relay_usage_poison_total", "Usage records that could not be read, set aside.")
THRESHOLDS = Counter("dcoder_relay_thresholds_total", "Crossed thresholds of quotas published.")
BACKLOG = Gauge(
    "dcoder_relay_waiting", "Usage records, outbox rows, or tenants' databases with some, that wait.", ["what"]
)
BACKLOG_SECONDS = Gauge("dcoder_relay_waiting_seconds", "How long the oldest of what waits has waited.", ["what"])
USAGE_SECONDS = Histogram(
    "dcoder_relay_usage_seconds",
    "Time from a call's settlement until its usage record is published.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300),
)
