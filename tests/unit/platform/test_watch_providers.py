import pytest

from functions.platform.core.watch_providers import Tally


@pytest.mark.parametrize(
    ("calls", "errors", "failing", "recovered"),
    [
        (5, 5, True, False),
        (10, 5, True, False),
        (11, 5, False, False),
        (4, 4, False, False),
        (20, 5, False, False),
        (21, 5, False, True),
        (1, 0, False, True),
        (0, 0, False, False),
    ],
)
def test_an_alert_is_raised_at_half_and_taken_back_below_a_quarter(
    calls: int, errors: int, failing: bool, recovered: bool
) -> None:
    tally = Tally(calls, errors)
    assert (tally.is_failing(), tally.has_recovered()) == (failing, recovered)
