"""What detectors get of a call: everything of a short one, the ends and the latest of a long one, never too much."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.core.content import MOST_CHARACTERS, content_of

Json = dict[str, Any]


def read(messages: list[Json], completion: Json | None = None) -> Json:
    return dict(orjson.loads(content_of({"messages": messages}, completion)))


def said(document: Json) -> list[tuple[str, str]]:
    return [(part["role"], part["text"]) for part in document["parts"]]


def test_request_tools_and_answer_are_told_in_order() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "mail", "arguments": '{"to": "joe@example.org"}'}}
    document = read(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {}}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "sent"},
            {"role": "function", "name": "old", "content": "done"},
        ],
        {"choices": [{"message": {"content": "Done.", "tool_calls": [call]}}]},
    )
    arguments = call["function"]["arguments"]  # type: ignore[index]
    assert said(document) == [
        ("system", "Be brief."),
        ("user", "Look"),
        ("assistant", arguments),
        ("tool", "sent"),
        ("tool", "done"),
        ("assistant", "Done."),
        ("assistant", arguments),
    ]
    assert document["omitted"] == 0
    assert document["parts"][4]["name"] == "old"


def test_a_long_text_is_told_by_its_ends_and_leaves_room_for_the_rest() -> None:
    long = "BEGIN" + "x" * 100_000 + "END"
    document = read([{"role": "user", "content": "first"}, {"role": "tool", "content": long}])
    (_, first), (_, text) = said(document)
    assert first == "first"
    assert text.startswith("BEGIN")
    assert text.endswith("END")
    assert "characters left out" in text
    assert document["omitted"] == len(long) - MOST_CHARACTERS // 2


def test_the_latest_is_kept_of_a_long_conversation() -> None:
    document = read([{"role": "user", "content": f"{number} " + "x" * 900} for number in range(100)])
    texts = [text for _, text in said(document)]
    assert texts[-1].startswith("99 ")
    assert not any(text.startswith("0 ") for text in texts)
    assert document["omitted"] > 60_000


def test_what_no_text_can_hold_is_replaced() -> None:
    assert said(read([{"role": "user", "content": "a\ud800b"}])) == [("user", "a?b")]


@given(st.lists(st.text(max_size=300).map(lambda text: text * 200), max_size=8))
def test_it_is_never_larger_than_agreed(texts: list[str]) -> None:
    document = read([{"role": "user", "content": text} for text in texts])
    kept = sum(len(part["text"]) for part in document["parts"])
    assert kept <= MOST_CHARACTERS + 60 * len(texts)
    assert len(content_of({"messages": [{"role": "user", "content": text} for text in texts]}, None)) < 200_000
