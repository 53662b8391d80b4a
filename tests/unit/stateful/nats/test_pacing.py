"""How many events are asked for, and when a function that is down is looked at."""

from hypothesis import given
from hypothesis import strategies as st

from stateful.nats.dispatcher.pacing import Reachability, Window


def test_all_free_hands_are_offered_at_first() -> None:
    window = Window(8)
    assert window.wanted() == 8
    window.ask(8)
    assert window.wanted() == 0


def test_small_remainders_are_saved_up_while_a_request_is_open() -> None:
    window = Window(8)
    window.ask(8)
    for _ in range(3):
        window.received()
        window.settled()
    assert window.wanted() == 0
    window.received()
    window.settled()
    assert window.wanted() == 4


def test_a_single_free_hand_is_offered_when_nothing_is_asked_for() -> None:
    window = Window(2)
    window.ask(2)
    window.received()
    window.received()
    window.settled()
    assert window.wanted() == 1


def test_a_probe_is_one_event_and_only_when_nothing_is_under_way() -> None:
    window = Window(8)
    assert window.wanted(probing=True) == 1
    window.ask(1)
    assert window.wanted(probing=True) == 0
    window.received()
    assert window.wanted(probing=True) == 0
    window.settled()
    assert window.wanted(probing=True) == 1


@given(st.integers(1, 40), st.lists(st.sampled_from(["ask", "receive", "settle", "expire"]), max_size=200))
def test_never_more_than_the_limit_is_in_hand_or_on_its_way(limit: int, steps: list[str]) -> None:
    window = Window(limit)
    for step in steps:
        if step == "ask":
            window.ask(window.wanted())
        elif step == "receive" and window.asked:
            window.received()
        elif step == "settle" and window.in_hand:
            window.settled()
        elif step == "expire":
            window.unanswered(window.asked)
        assert 0 <= window.in_hand + window.asked <= limit


def test_pauses_double_up_to_the_cap_and_end_with_an_answer() -> None:
    reachability, now, pauses = Reachability(base=1, cap=5), 100.0, []
    for _ in range(5):
        assert not reachability.pause(now)
        pauses.append(reachability.missed(now))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 5, 5]
    reachability.answered()
    assert reachability.pause(now) == 0


def test_deliveries_that_fail_together_are_one_look() -> None:
    reachability = Reachability(base=1, cap=60)
    assert [reachability.missed(100 + n / 100) for n in range(32)][-1] < 1
    assert reachability.missed(101) == 2
