"""What `Retry-After` says."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from functions.kit.clock import utc_now
from stateful.nats.dispatcher.delivery import retry_after


def test_seconds() -> None:
    assert retry_after("120") == 120.0


def test_a_date_in_the_future() -> None:
    seconds = retry_after(format_datetime(utc_now() + timedelta(seconds=90), usegmt=True))
    assert seconds is not None
    assert 85 < seconds <= 90


def test_a_date_in_the_past_is_now() -> None:
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize("value", [None, "", "soon", "-3", "1.5", "²"])
def test_what_is_neither_is_ignored(value: str | None) -> None:
    assert retry_after(value) is None
