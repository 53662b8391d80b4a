"""What a process does on its way out shares the time that it has."""

import time

import pytest

from functions.kit import draining


def test_a_process_that_was_not_told_to_stop_has_all_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_began", None)
    assert draining.seconds_left(30) == 30


@pytest.mark.parametrize(("ago", "least", "most"), [(10, 0, 20), (40, 0, 0)])
def test_what_was_done_before_is_taken_off(
    monkeypatch: pytest.MonkeyPatch, ago: float, least: float, most: float
) -> None:
    monkeypatch.setattr(draining, "_began", time.monotonic() - ago)
    assert least <= draining.seconds_left(30) <= most


def test_time_runs_from_the_first_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_began", None)
    draining.begin()
    first = draining._began
    draining.begin()
    assert first is not None
    assert draining._began == first
