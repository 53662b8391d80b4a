"""Which requests may share an answer."""

from typing import Any

import pytest

from functions.gateway.core.fingerprint import cache_key, may_store
from functions.gateway.core.models import CacheKey, Provider, Target

TARGET = Target(Provider("openai", "openai", "https://api.openai.com/v1", "k"), "gpt-4o-mini")


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "What is TLS?"}], **changes}


def key(tenant: str = "t1", **changes: Any) -> CacheKey:
    made = cache_key(tenant, TARGET, body(**changes))
    assert made is not None
    return made


def test_how_an_answer_travels_does_not_matter() -> None:
    assert key().exact == key(stream=True, stream_options={"include_usage": True}, user="me").exact


def test_the_order_of_fields_does_not_matter() -> None:
    assert key(seed=1, stop=["x"]).exact == key(stop=["x"], seed=1).exact


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.2},
        {"max_tokens": 5},
        {"seed": 1},
        {"response_format": {"type": "json_object"}},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is TLS?"}]},
    ],
)
def test_what_shapes_the_answer_separates_exact_and_similar_alike(change: dict[str, Any]) -> None:
    assert key(**change).exact != key().exact
    assert key(**change).conditions != key().conditions


def test_another_question_under_the_same_conditions_may_be_similar() -> None:
    other = key(messages=[{"role": "user", "content": "What's TLS?"}])
    assert other.exact != key().exact
    assert other.conditions == key().conditions
    assert other.question == "What's TLS?"


@pytest.mark.parametrize(
    "change",
    [
        {"tools": [{"type": "function"}]},
        {"functions": [{"name": "f"}]},
        {"n": 2},
        {"temperature": 1.5},
        {"messages": [{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}]},
    ],
)
def test_what_must_not_be_shared_has_no_key(change: dict[str, Any]) -> None:
    assert cache_key("t1", TARGET, body(**change)) is None


def test_pictures_and_very_long_questions_are_only_shared_exactly() -> None:
    assert key(messages=[{"role": "user", "content": [{"type": "text", "text": "x"}]}]).question == ""
    assert key(messages=[{"role": "user", "content": "x" * 5000}]).question == ""


def test_what_was_kept_before_an_update_is_found_after_it() -> None:
    known = key()
    assert known.exact == "eb036ff160cb93a80f3213468302217c"
    assert known.conditions == "6fbda7f6658616ca6e73af0c0a7915fccd056a7cafeddbd958f905ab109b29ac"
    with_pages = key(messages=[{"role": "user", "content": [{"type": "text", "text": "x"}]}], seed=1)
    assert with_pages.exact == "23caf29889bd65f0b36a83ff1548603c"
    assert with_pages.conditions == "20ba1906bcecd62d135d8ea7aa9f3afc717358c630d15d152a9ea050b22e2f6d"


def completion(**choice: Any) -> dict[str, Any]:
    return {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "x"}, **choice}]}


def test_only_whole_plain_answers_are_kept() -> None:
    assert may_store(completion())
    assert not may_store(completion(finish_reason="length"))
    assert not may_store(completion(finish_reason="content_filter"))
    assert not may_store(completion(message={"content": None, "tool_calls": [{}]}))
    assert not may_store(completion(message={"content": ""}))
    assert not may_store(completion(message={"content": "x", "refusal": "no"}))
    assert not may_store(completion(message={"content": "x", "images": [{}]}))
    assert not may_store(completion(message={"content": "x", "audio": {"id": "a"}}))
    assert not may_store({"choices": []})
    assert not may_store({})
