"""Every Helm chart that the platform takes, in one table: which, from where, and with what values.

Values name only what differs from a chart's defaults. `cluster.charts: false` leaves all of them out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from iac.stack import Platform

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart in a room.

    Attributes:
        repository: where Helm finds it; an address that begins with `oci://` holds this chart alone.
        hooks: it relies on Helm's hooks, so Helm itself has to install it, and policies see its values alone.
    """

    name: str
    chart: str
    repository: str
    version: str
    namespace: str
    room: str
    values: Callable[[Platform], Values]
    hooks: bool = False


def _nothing(_: Platform) -> Values:
    return {}


CHARTS: tuple[Chart, ...] = ()


def charts(room: str, platform: Platform) -> Iterator[Chart]:
    """The charts of a room; none where the stack installs none."""
    if platform.configuration.cluster.charts:
        yield from (chart for chart in CHARTS if chart.room == room)
