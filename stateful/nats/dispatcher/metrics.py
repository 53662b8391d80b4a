"""The dispatcher's metrics."""

from prometheus_client import Counter, Gauge, Histogram

DISPATCHED = Counter("dcoder_dispatch_events_total", "Deliveries by function and outcome.", ["function", "outcome"])
DISPATCH_SECONDS = Histogram(
    "dcoder_dispatch_seconds",
    "Time of one delivery, answer included.",
    ["function"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
IN_FLIGHT = Gauge("dcoder_dispatch_in_flight", "Deliveries under way.", ["function"])
REDELIVERIES = Counter("dcoder_dispatch_redeliveries_total", "Events that came not for the first time.", ["function"])
DEAD_LETTERS = Counter("dcoder_dispatch_dead_letters_total", "Events set aside.", ["function", "subject"])
LAG = Gauge(
    "dcoder_dispatch_lag", "Events that wait for a function, delivered and unsettled ones included.", ["function"]
)
