"""Which limits apply, and what is held and counted of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.gateway.core.quota import Limit, Need, Subjects, TenantLimits, additions, holds
from functions.kit.identifiers import new_id
from functions.kit.quotas import span_of
from functions.kit.subjects import UsageRecord

NOON = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


def limit(**fields: Any) -> Limit:
    given = {"id": new_id(), "tenant_id": "t1", "subject_kind": "tenant", "subject_id": None, "metric": "requests"}
    return Limit(**{**given, "window": "day", "maximum": 10, "hard": True, **fields})


def record(**fields: Any) -> UsageRecord:
    given = {"usage_id": new_id(), "tenant_id": "t1", "at": NOON, "provider": "openai", "model": "gpt-4o"}
    given |= {"operation": "chat", "prompt_tokens": 7, "completion_tokens": 5, "cost_micro_usd": 3}
    return UsageRecord.model_validate({**given, **fields})


@pytest.mark.parametrize(
    ("kind", "name", "applies"),
    [
        ("tenant", None, True),
        ("user", "anna", True),
        ("user", "ben", False),
        ("api_key", "k1", True),
        ("api_key", "anna", False),
        ("group", "g1", True),
        ("group", "g2", True),
        ("group", "g3", False),
        ("model", "gpt-4o", True),
        ("model", "openai/gpt-4o", True),
        ("model", "groq/gpt-4o", False),
        ("model", "gpt-4o-mini", False),
    ],
)
def test_limits_apply_by_what_they_are_on(kind: Any, name: str | None, applies: bool) -> None:
    one = limit(subject_kind=kind, subject_id=name)
    subjects = Subjects("openai", "gpt-4o", user_id="anna", api_key_id="k1", groups=frozenset({"g1", "g2"}))
    assert TenantLimits([one]).applying(subjects) == ((one,) if applies else ())


def test_nobody_s_limit_applies_to_a_call_of_nobody() -> None:
    limits = [limit(subject_kind=kind, subject_id="None") for kind in ("user", "api_key", "group")]
    assert TenantLimits(limits).applying(Subjects("openai", "gpt-4o")) == ()


def test_the_longest_window_comes_first_so_that_a_refusal_names_the_longest_wait() -> None:
    limits = [limit(window=window) for window in ("minute", "month", "day")]
    found = TenantLimits(limits).applying(Subjects("openai", "gpt-4o"))
    assert [one.window for one in found] == ["month", "day", "minute"]


def test_only_hard_limits_of_what_is_needed_are_held() -> None:
    hard, soft, tokens = limit(), limit(hard=False), limit(metric="tokens")
    assert [hold.limit for hold in holds([hard, soft, tokens], Need(), NOON)] == [hard]
    of_tokens = holds([hard, soft, tokens], Need(tokens=9, completion=4, answers=3), NOON)
    assert [(hold.limit, hold.fixed, hold.per_token, hold.scale) for hold in of_tokens] == [
        (hard, 1, 0, 1),
        (tokens, 9, 3, 1),
    ]
    assert of_tokens[0].span.began == NOON.replace(hour=0, minute=0, second=0)


def test_money_is_held_in_thousandths_of_a_micro_dollar() -> None:
    (hold,) = holds(
        [limit(metric="cost")], Need(nano_usd=1500, completion=10, answers=2, completion_nano_usd=600), NOON
    )
    assert (hold.fixed, hold.per_token, hold.scale) == (1500, 1200, 1000)


def test_an_answer_of_no_tokens_takes_none() -> None:
    assert holds([limit(metric="tokens")], Need(tokens=0), NOON) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"requests": 1, "tokens": 12, "cost": 3}),
        ({"cached": "hit", "prompt_tokens": 0, "completion_tokens": 0, "cost_micro_usd": 0}, {"requests": 1}),
        ({"internal": True, "operation": "embeddings"}, {"tokens": 12, "cost": 3}),
        ({"status": "expired", "prompt_tokens": 0, "completion_tokens": 0, "cost_micro_usd": 0}, {}),
        ({"status": "cancelled"}, {"requests": 1, "tokens": 12, "cost": 3}),
    ],
)
def test_what_counts(fields: dict[str, Any], expected: dict[str, int]) -> None:
    limits = [limit(metric=metric, hard=False) for metric in ("requests", "tokens", "cost")]
    counted = {addition.limit.metric: addition.amount for addition in additions(limits, record(**fields))}
    assert counted == expected


def test_a_call_counts_in_the_window_in_which_it_began() -> None:
    (addition,) = additions([limit(window="minute")], record())
    assert addition.span.began == NOON.replace(second=0)


def test_counting_goes_on_from_the_mirror_in_its_window_and_from_nothing_in_another() -> None:
    one = limit(mirrored=5, mirrored_since=NOON.replace(hour=0, minute=0, second=0))
    assert one.seed(span_of(one.window, NOON)) == 5
    assert one.seed(span_of(one.window, NOON + timedelta(days=1))) == 0
