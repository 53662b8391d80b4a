"""What follows from a delivery's outcome."""

import pytest

from stateful.nats.dispatcher.outcomes import (
    Acknowledge,
    DeadLetter,
    Failed,
    Handled,
    Outcome,
    Refused,
    Retry,
    Unavailable,
    Unreachable,
    decide,
)
from stateful.nats.dispatcher.settings import DispatcherSettings

SETTINGS = DispatcherSettings(max_tries=5, retry_base_seconds=1, retry_cap_seconds=60, unreachable_seconds=1000)


def decision(outcome: Outcome, *, tries: int = 1, waits: int = 0, age: float = 0.0, pause: float = 0.0) -> object:
    return decide(outcome, tries=tries, waits=waits, age=age, pause=pause, settings=SETTINGS)


def delay(outcome: Outcome, *, tries: int = 1, waits: int = 0, pause: float = 0.0) -> float:
    result = decision(outcome, tries=tries, waits=waits, pause=pause)
    assert isinstance(result, Retry)
    return result.delay


def test_a_handled_event_is_done_with_however_often_it_was_tried() -> None:
    assert decision(Handled(), tries=99, age=1e6) == Acknowledge()


def test_a_refused_event_is_a_dead_letter() -> None:
    assert decision(Refused(422, "no such thing")) == DeadLetter(422, "no such thing")


@pytest.mark.parametrize("tries", [1, 2, 3, 4])
def test_waits_double_within_their_jitter(tries: int) -> None:
    waits = [delay(Failed(500, ""), tries=tries) for _ in range(50)]
    assert 2 ** (tries - 1) * 0.5 <= min(waits) < max(waits) <= 2 ** (tries - 1)


def test_the_wait_is_capped() -> None:
    patient = SETTINGS.model_copy(update={"max_tries": 10_000})
    result = decide(Failed(500, ""), tries=9_999, waits=0, age=0, pause=0, settings=patient)
    assert isinstance(result, Retry)
    assert 30 <= result.delay <= 60


def test_tries_end_in_a_dead_letter_that_says_why() -> None:
    assert decision(Failed(500, "HTTP 500"), tries=5) == DeadLetter(500, "5 tries exhausted: HTTP 500")


def test_what_the_function_asks_for_goes_before_within_the_cap() -> None:
    assert 7 <= delay(Failed(429, "", retry_after=7)) <= 7.7
    assert 60 <= delay(Failed(429, "", retry_after=86_400)) <= 66


def test_what_the_function_asks_for_does_not_make_tries_come_sooner() -> None:
    assert 4 <= delay(Failed(429, "", retry_after=1), tries=4) <= 8
    assert 0.5 <= delay(Failed(429, "", retry_after=0)) <= 1


def test_what_a_function_lacks_costs_time_alone() -> None:
    assert 0.5 <= delay(Unavailable("HTTP 503", retry_after=1), tries=0, waits=1) <= 1
    assert 15 <= delay(Unavailable("HTTP 503", retry_after=1), tries=0, waits=10_000) <= 30
    for seconds in (2, 45):
        waits = delay(Unavailable("HTTP 503", retry_after=seconds), tries=0, waits=10_000)
        assert seconds <= waits <= seconds * 1.1
    assert decision(Unavailable("HTTP 503"), tries=0, waits=50, age=1000) == DeadLetter(
        503, "unavailable for 1000 s: HTTP 503"
    )


def test_an_unreachable_function_costs_time_alone() -> None:
    assert 4 <= delay(Unreachable("refused"), tries=10_000, pause=4) <= 4.5
    result = decision(Unreachable("refused"), tries=1, age=1000)
    assert result == DeadLetter(0, "unreachable for 1000 s: refused")
