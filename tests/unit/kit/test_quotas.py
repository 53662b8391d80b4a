"""Windows of UTC, and where they are counted."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.kit.quotas import Window, counter_key, span_of

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("window", "began", "resets"),
    [
        ("minute", datetime(2027, 12, 31, 23, 59, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)),
        ("day", datetime(2027, 12, 31, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)),
        ("month", datetime(2027, 12, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_last_second_of_a_year(window: Window, began: datetime, resets: datetime) -> None:
    # The same moment, told in India.
    moment = datetime(2028, 1, 1, 5, 29, 59, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    span = span_of(window, moment)
    assert (span.began, span.resets) == (began, resets)


@given(moment=MOMENTS, window=st.sampled_from(["minute", "day", "month"]))
def test_a_moment_lies_in_its_window_and_the_next_window_follows_without_a_gap(
    moment: datetime, window: Window
) -> None:
    span = span_of(window, moment)
    assert span.began <= moment < span.resets
    assert span_of(window, span.resets).start == span.end
    assert span_of(window, span.began) == span


def test_the_key_begins_with_the_tenant_and_differs_by_window() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    keys = {counter_key("t1", "q1", span_of("minute", noon + timedelta(minutes=n))) for n in range(3)}
    assert len(keys) == 3
    assert all(key.startswith("t:t1:") for key in keys)
