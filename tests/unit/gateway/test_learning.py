"""How thresholds are learned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.core.learning import Bounds, learned_threshold

BOUNDS = Bounds(0.8, 0.99, 0.01)
OBSERVATIONS = st.lists(st.tuples(st.floats(0.7, 1.0), st.booleans()), max_size=12)


def test_nothing_learned_leaves_the_setting() -> None:
    assert learned_threshold(0.85, BOUNDS, []) == 0.85


def test_one_wrong_answer_asks_for_more_than_its_likeness() -> None:
    assert learned_threshold(0.85, BOUNDS, [(0.87, False)]) > 0.87


def test_right_answers_below_the_setting_lower_it_slowly() -> None:
    few, many = (learned_threshold(0.85, BOUNDS, [(0.82, True)] * count) for count in (2, 60))
    assert BOUNDS.least <= many < few < 0.85


def test_where_nothing_within_the_bounds_is_safe_nothing_is_similar_enough() -> None:
    assert learned_threshold(0.85, BOUNDS, [(0.985, False)] * 20) > 1


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1])
def test_a_smaller_error_rate_asks_for_more(rate: float) -> None:
    observations = [(0.86, False), (0.9, True), (0.92, True)]
    looser = learned_threshold(0.85, Bounds(0.8, 0.999, rate * 2), observations)
    assert learned_threshold(0.85, Bounds(0.8, 0.999, rate), observations) > looser


@given(OBSERVATIONS)
def test_the_threshold_stays_within_the_bounds_or_is_out_of_reach(observations: list[tuple[float, bool]]) -> None:
    found = learned_threshold(0.85, BOUNDS, observations)
    assert BOUNDS.least <= found <= BOUNDS.most or found > 1


@given(OBSERVATIONS, st.floats(0.8, 1.0))
def test_another_wrong_answer_never_asks_for_much_less(observations: list[tuple[float, bool]], at: float) -> None:
    before = learned_threshold(0.85, BOUNDS, observations)
    # A little less it may: wrong answers that are all far below make a steep curve likelier, which is safe sooner.
    assert learned_threshold(0.85, BOUNDS, [*observations, (at, False)]) >= before - 0.01
