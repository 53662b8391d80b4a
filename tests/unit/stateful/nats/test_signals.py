from stateful.nats.signals import LagWatch


def said(watch: LagWatch, *waiting: int) -> list[str]:
    return [signal.state for each in waiting if (signal := watch.see(each))]


def test_a_lag_is_said_once_and_ends_below_half_of_its_limit() -> None:
    watch = LagWatch("f", 100)
    assert said(watch, 0, 99, 100, 5000, 60, 50, 49, 0, 99) == ["recovered", "failing", "recovered"]


def test_a_process_that_begins_amid_a_lag_says_so() -> None:
    assert said(LagWatch("f", 100), 100, 70) == ["failing"]


def test_what_could_not_be_said_is_said_again() -> None:
    watch = LagWatch("f", 10)
    assert said(watch, 20) == ["failing"]
    watch.forget()
    assert said(watch, 21, 22) == ["failing"]


def test_a_backlog_is_told_in_seconds_of_its_oldest() -> None:
    signal = LagWatch("usage", 60, condition="backlog").see(61, "7 wait")
    assert signal is not None
    assert (signal.condition, signal.name, signal.value, signal.limit, signal.detail) == (
        ("backlog", "usage", 61, 60, "7 wait")
    )
