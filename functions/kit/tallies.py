"""Prometheus metrics of what every request counts: as `prometheus_client` collects them, without a lock for each.

Its own take a lock, two checks and three calls for each addition, thirteen times in a call of a model. These belong to
the event loop's thread: nobody else may add to them.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector


class Tally:
    """The value of one set of labels; add to it."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Tallies(Collector):
    """A counter or a gauge with labels.

    Args:
        name: of a counter, ending in `_total`; of a gauge, otherwise.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        self._described = (name, documentation)
        self._names = tuple(labels)
        self._tallies: dict[tuple[str, ...], Tally] = {}
        REGISTRY.register(self)

    def labels(self, *values: object) -> Tally:
        """The value of these labels; to look it up costs more than to add to it."""
        return self._tallies.setdefault(tuple(map(str, values)), Tally())

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """The registry's call."""
        family = self._family(*self._described, labels=self._names)
        for values, tally in [*self._tallies.items()]:
            family.add_metric(values, tally.value)
        yield family


class Spread:
    """The observations of one set of labels."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count an observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def told(self) -> tuple[list[tuple[str, float]], float]:
        """The buckets, each with what is at most its bound, and the sum."""
        buckets, seen = [], 0
        for bound, count in zip([*map(str, map(float, self._bounds)), "+Inf"], self._counts, strict=True):
            seen += count
            buckets.append((bound, float(seen)))
        return buckets, self._sum


class Spreads(Collector):
    """A histogram with labels.

    Args:
        buckets: their upper bounds, ascending; what is above them all has a bucket besides.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str], *, buckets: Sequence[float]) -> None:
        self._described = (name, documentation)
        self._names = tuple(labels)
        self._bounds = tuple(buckets)
        self._spreads: dict[tuple[str, ...], Spread] = {}
        REGISTRY.register(self)

    def labels(self, *values: object) -> Spread:
        """The observations of these labels; to look them up costs more than to count one."""
        return self._spreads.setdefault(tuple(map(str, values)), Spread(self._bounds))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The registry's call."""
        family = HistogramMetricFamily(*self._described, labels=self._names)
        for values, spread in [*self._spreads.items()]:
            family.add_metric(values, *spread.told())
        yield family
