from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.kit.schedules import Schedule

SCHEDULES = ["daily 00:00", "daily 02:17", "daily 23:59", "every 1m", "every 5m", "every 1440m"]


@pytest.mark.parametrize(
    ("text", "now", "last", "following"),
    [
        ("daily 02:17", "2026-03-01T02:16:59", "2026-02-28T02:17:00", "2026-03-01T02:17:00"),
        ("daily 02:17", "2026-03-01T02:17:00", "2026-03-01T02:17:00", "2026-03-02T02:17:00"),
        ("every 5m", "2026-03-01T00:04:59", "2026-03-01T00:00:00", "2026-03-01T00:05:00"),
    ],
)
def test_when_it_is_due(text: str, now: str, last: str, following: str) -> None:
    schedule, moment = Schedule.parse(text), datetime.fromisoformat(f"{now}+00:00")
    assert schedule.last(moment) == datetime.fromisoformat(f"{last}+00:00")
    assert schedule.following(moment) == datetime.fromisoformat(f"{following}+00:00")


@given(st.sampled_from(SCHEDULES), st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1 < moment.year < 9999))
def test_every_moment_lies_between_two_times(text: str, now: datetime) -> None:
    schedule = Schedule.parse(text)
    assert schedule.last(now) <= now < schedule.following(now)
    assert schedule.last(schedule.following(now)) == schedule.following(now)
    assert schedule.following(now) - schedule.last(now) == schedule.interval <= timedelta(days=1)


@pytest.mark.parametrize("text", ["", "daily 24:00", "daily 2:17", "every 0m", "every 7m", "every 5s", "0 2 * * *"])
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r"schedule|divide"):
        Schedule.parse(text)
