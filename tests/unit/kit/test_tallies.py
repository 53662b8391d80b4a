"""Tallies and spreads are scraped as the client library's own counters, gauges and histograms are."""

import re
from uuid import uuid4

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from functions.kit.tallies import Spreads, Tallies

BUCKETS = (0.0002, 0.001, 0.5, 1, 5)
SEEN = [0.0, 0.0001, 0.0002, 0.00020001, 0.3, 0.5, 1, 1.0000001, 5, 6, 10_000]


def scraped(name: str, registry: CollectorRegistry = REGISTRY) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if re.match(rf"(# (HELP|TYPE) )?{name}", line) and "_created" not in line]


def fresh(kind: str) -> str:
    return f"dcoder_test_{kind}_{uuid4().hex}"


def test_a_counter() -> None:
    name, theirs = fresh("counter") + "_total", CollectorRegistry()
    ours, counter = Tallies(name, "Told.", ["a", "b"]), Counter(name, "Told.", ["a", "b"], registry=theirs)
    for a, b, amount in [("x", 200, 1), ("x", 200, 2), ('"\\\n', 404, 0), ("y", 200, 10**12)]:
        ours.labels(a, b).value += amount
        counter.labels(a, b).inc(amount)
    assert scraped(name) == scraped(name, theirs) != []
    assert len(scraped(name)) == 5


def test_a_gauge_goes_down_as_well() -> None:
    name, theirs = fresh("gauge"), CollectorRegistry()
    ours, gauge = Tallies(name, "Told.", ["a"]), Gauge(name, "Told.", ["a"], registry=theirs)
    for change in (1, 1, -1):
        ours.labels("x").value += change
        gauge.labels("x").inc(change)
    assert scraped(name) == scraped(name, theirs) != []


def test_a_histogram() -> None:
    name, theirs = fresh("histogram"), CollectorRegistry()
    ours = Spreads(name, "Told.", ["a"], buckets=BUCKETS)
    histogram = Histogram(name, "Told.", ["a"], buckets=BUCKETS, registry=theirs)
    for number, seconds in enumerate(SEEN):
        ours.labels(number % 2).observe(seconds)
        histogram.labels(number % 2).observe(seconds)
    assert scraped(name) == scraped(name, theirs) != []
    assert REGISTRY.get_sample_value(f"{name}_bucket", {"a": "0", "le": "0.0002"}) == 2


def test_what_nobody_has_added_to_is_described_and_has_no_values() -> None:
    name = fresh("counter") + "_total"
    Tallies(name, "Told.", ["a"])
    assert scraped(name) == [f"# HELP {name} Told.", f"# TYPE {name} counter"]
