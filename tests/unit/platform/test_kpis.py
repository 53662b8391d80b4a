import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.kit.errors import Unprocessable
from functions.platform.core.kpi_health import Facts, Spending
from functions.platform.core.kpi_latency import RELATIVE_ERROR, Latency, slot_of, value_of
from functions.platform.core.kpis import KpiSpan, Sums

NOTHING = Spending()
NOW = datetime(2026, 6, 16, 12, 30, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@given(st.integers(1, 10**9))
def test_what_stands_for_a_latency_is_as_near_as_is_said(milliseconds: int) -> None:
    assert abs(value_of(slot_of(milliseconds)) - milliseconds) <= milliseconds * RELATIVE_ERROR + 0.001


@given(st.lists(st.integers(0, 600_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_of_parts_added_up_is_that_of_the_whole(latencies: list[int], part: float) -> None:
    def counted(some: list[int]) -> Latency:
        return Latency.of_all(Latency({slot_of(each): 1}) for each in some)

    cut = random.Random(len(latencies)).randrange(len(latencies) + 1)
    merged = Latency.of_all([counted(latencies[:cut]), counted(latencies[cut:])])
    exact = sorted(latencies)[max(1, -(-len(latencies) * round(part * 100) // 100)) - 1]
    found = merged.quantile(part)
    assert found is not None
    assert abs(found - exact) <= exact * RELATIVE_ERROR + 0.001


def test_nothing_has_no_quantile() -> None:
    assert Latency().quantile(0.5) is None
    assert Sums().success_rate is None


@pytest.mark.parametrize(
    ("asked", "start", "end", "grain"),
    [
        (("1h", None, None, None), (11, 30), (12, 31), "minute"),
        (("24h", None, None, None), (12, 0), (13, 0), "hour"),
        ((None, None, None, None), (12, 0), (13, 0), "hour"),
        (("30d", None, None, None), (0, 0), (0, 0), "day"),
        ((None, NOW - 2 * DAY, NOW, "day"), (0, 0), (0, 0), "day"),
    ],
)
def test_spans_are_whole_buckets(
    asked: tuple[None, datetime | None, None, None], start: tuple[int, int], end: tuple[int, int], grain: str
) -> None:
    span = KpiSpan.of(NOW, *asked)
    assert ((span.start.hour, span.start.minute), (span.end.hour, span.end.minute), span.grain) == (start, end, grain)


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [
        (NOW, NOW, None),
        (NOW, NOW - DAY, None),
        (datetime(1, 1, 1, tzinfo=UTC), NOW, None),
        (NOW - 50 * DAY, NOW, "hour"),
        (NOW - 3 * DAY, NOW - 3 * DAY + timedelta(hours=1), "minute"),
    ],
)
def test_spans_that_cannot_be(start: datetime, end: datetime, step: None) -> None:
    with pytest.raises(Unprocessable):
        KpiSpan.of(NOW, None, start, end, step)


def test_a_forecast_goes_on_as_the_last_seven_days_were() -> None:
    spending = Spending(month=15_000, week=7_000, first=NOW - 7 * DAY, ceiling=20_000)
    assert spending.per_day(NOW) == 1_000
    left = (datetime(2026, 7, 1, tzinfo=UTC) - NOW) / DAY
    assert spending.forecast(NOW) == 15_000 + round(1_000 * left)
    assert spending.reached_at(NOW) == NOW + 5 * DAY


def test_who_has_just_begun_is_not_said_to_burn_a_days_worth_every_minute() -> None:
    assert Spending(month=50, week=50, first=NOW - timedelta(minutes=1)).per_day(NOW) == 50


@pytest.mark.parametrize(
    ("spending", "reached"),
    [
        (Spending(month=10, week=7, first=NOW - 7 * DAY), None),
        (Spending(month=10, week=7, first=NOW - 7 * DAY, ceiling=1_000), None),
        (Spending(month=10, week=7, first=NOW - 7 * DAY, ceiling=10), NOW),
        (Spending(ceiling=0), NOW),
        (Spending(ceiling=5), None),
    ],
)
def test_when_a_ceiling_is_reached(spending: Spending, reached: datetime | None) -> None:
    assert spending.reached_at(NOW) == reached


def facts(
    *, status: str = "active", requests: int = 0, failed: int = 0, spending: Spending = NOTHING, critical: int = 0
) -> Facts:
    return Facts("t", status, requests, failed, spending, critical, 0, 0)


@pytest.mark.parametrize(
    ("judged", "status", "reasons"),
    [
        (facts(), "healthy", ()),
        (facts(status="suspended"), "critical", ("suspended",)),
        (facts(requests=100, failed=4), "healthy", ()),
        (facts(requests=100, failed=5), "degraded", ("errors",)),
        (facts(requests=1000, failed=5), "healthy", ()),
        (facts(requests=10, failed=5), "critical", ("errors",)),
        (facts(spending=Spending(month=90, ceiling=100, hard=True)), "degraded", ("ceiling_near",)),
        (facts(spending=Spending(month=100, ceiling=100, hard=True)), "critical", ("ceiling_reached",)),
        (facts(spending=Spending(month=100, ceiling=100)), "degraded", ("ceiling_near",)),
        (facts(critical=1), "degraded", ("critical_alerts",)),
    ],
)
def test_health(judged: Facts, status: str, reasons: tuple[str, ...]) -> None:
    health = judged.health()
    assert (health.status, health.reasons) == (status, reasons)
