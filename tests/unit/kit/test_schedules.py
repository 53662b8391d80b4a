from datetime import timedelta

import pytest

from functions.kit.schedules import Schedule


@pytest.mark.parametrize(
    ("text", "interval", "offset"),
    [
        ("daily 00:00", timedelta(days=1), timedelta()),
        ("daily 23:59", timedelta(days=1), timedelta(hours=23, minutes=59)),
        ("every 1m", timedelta(minutes=1), timedelta()),
        ("every 90m", timedelta(minutes=90), timedelta()),
    ],
)
def test_a_schedule_is_what_it_says(text: str, interval: timedelta, offset: timedelta) -> None:
    schedule = Schedule.parse(text)
    assert schedule == Schedule(interval, offset)
    assert str(schedule) == text


@pytest.mark.parametrize("text", ["", "daily 24:00", "daily 2:17", "every 0m", "every 7m", "every 5s", "0 2 * * *"])
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r"schedule|divide"):
        Schedule.parse(text)
