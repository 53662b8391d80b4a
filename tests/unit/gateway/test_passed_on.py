"""Requests passed on as they came: what of them may be made shorter, what detectors see, what limits do to thinking."""

from typing import Any

import orjson
import pytest

from functions.gateway.core.content import content_of
from functions.gateway.core.dialects import Dialect
from functions.gateway.core.errors import QuotaExceeded
from functions.gateway.core.messages import Messages
from functions.gateway.core.models import Provider, Target
from functions.gateway.core.outlines import outline_of
from functions.gateway.core.responses import Responses
from functions.gateway.core.text_completions import TextCompletions
from functions.gateway.core.thinking_limits import ensure_effort_fits, within_limit
from functions.gateway.core.translation.messages_response import message
from functions.gateway.core.translation.responses_response import response

Json = dict[str, Any]
KEEP = {"type": "ephemeral"}


def text(said: str, **more: Any) -> Json:
    return {"type": "text", "text": said, **more}


def shouted(turns: list[Json]) -> list[Json]:
    """Every text that may change, changed."""

    def loud(content: Any) -> Any:
        if isinstance(content, str):
            return content.upper()
        blocks = [{**b, "text": b["text"].upper()} if "text" in b else b for b in content]
        return [{**b, "content": loud(b["content"])} if b.get("type") == "tool_result" else b for b in blocks]

    return [{**t, "content": loud(t["content"])} if t["role"] in {"user", "tool"} else t for t in turns]


def test_what_is_before_a_mark_for_anthropic_s_cache_keeps_every_byte() -> None:
    call = {"type": "tool_use", "id": "t", "name": "look", "input": {"q": "a"}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    messages: list[Json] = [
        {"role": "user", "content": "first"},
        {"role": "user", "content": [text("second", cache_control=KEEP)]},
        {"role": "assistant", "content": [thought, call]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": [text("found")]}, text("ok")],
        },
    ]
    request = {"system": "rules", "tools": [{"name": "look"}], "messages": messages, "max_tokens": 9}
    asked = Messages(request, {"anthropic-version": "2023-06-01"})
    changed = asked.with_turns(shouted(asked.turns()))
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("FOUND")]}
    last = {"role": "user", "content": [result, text("OK")]}
    assert changed.request == {**request, "messages": [*messages[:3], last]}
    assert changed.headers == asked.headers


@pytest.mark.parametrize(
    "marked",
    [
        {"cache_control": KEEP, "messages": [{"role": "user", "content": "long"}]},
        {"messages": "no list"},
        {"messages": ["no message"]},
        {},
    ],
)
def test_where_nothing_may_change_there_are_no_turns(marked: Json) -> None:
    assert Messages(marked, {}).turns() == []


def test_a_mark_within_a_tool_s_result_counts() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("found", cache_control=KEEP)]}
    asked = Messages({"messages": [{"role": "user", "content": [result]}, {"role": "user", "content": "go on"}]}, {})
    assert [turn["role"] for turn in asked.turns()] == ["system", "user"]


def test_of_responses_what_users_say_and_functions_put_out_may_change() -> None:
    items: list[Json] = [
        {"role": "user", "content": "asked"},
        {"type": "reasoning", "id": "r", "encrypted_content": "x"},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "found"},
        {"type": "message", "role": "developer", "content": "rule"},
    ]
    asked = Responses({"model": "m", "input": items})
    changed = asked.with_turns(shouted(asked.turns())).request["input"]
    assert changed[0] == {"role": "user", "content": "ASKED"}
    assert changed[3] == {"type": "function_call_output", "call_id": "c", "output": "FOUND"}
    assert [changed[at] for at in (1, 2, 4)] == [items[at] for at in (1, 2, 4)]
    alone = Responses({"model": "m", "input": "asked"})
    assert alone.with_turns(shouted(alone.turns())).request == {"model": "m", "input": "ASKED"}
    assert Responses({"model": "m", "input": ["odd"]}).turns() == []


def test_detectors_are_told_who_said_what_in_a_request_that_is_no_chat() -> None:
    results = [{"type": "tool_result", "tool_use_id": "t", "content": [text("from outside")]}]
    request = {
        "system": [text("rules")],
        "tools": [{"type": "custom_new", "name": "look", "description": "a schema"}],
        "messages": [
            {"role": "user", "content": [text("one"), text("two")]},
            {"role": "assistant", "content": [{"type": "new_block", "text": "three"}]},
            {"role": "user", "content": [*results, text("four")]},
        ],
    }
    parts = orjson.loads(content_of(outline_of(request, "max_tokens"), None))["parts"]
    assert [(part["role"], part["text"].replace("\n", " ")) for part in parts] == [
        ("system", "rules"),
        ("user", "one two"),
        ("assistant", "three"),
        ("tool", "t from outside"),
        ("user", "four"),
    ]
    items = [{"type": "custom_tool_call_output", "output": "from outside"}, {"role": "user", "content": "ask"}]
    parts = orjson.loads(content_of(outline_of({"instructions": "rules", "input": items}, "x"), None))["parts"]
    assert [(part["role"], part["text"]) for part in parts] == [
        ("system", "rules"),
        ("tool", "from outside"),
        ("user", "ask"),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        Messages({"max_tokens": 0, "messages": [{"role": "user", "content": "keep"}]}, {}),
        TextCompletions({"prompt": "keep", "max_tokens": 0, "echo": True, "logprobs": 1}),
    ],
)
def test_none_asked_for_stays_none_whatever_a_limit_leaves(asked: Dialect) -> None:
    target = Target(Provider("p", "openai", "https://a", "k"), "m")
    assert asked.native(target, 100, stream=False)["max_tokens"] == 0
    assert asked.native(target, None, stream=False)["max_tokens"] == 0


def test_a_limit_that_openai_would_refuse_is_the_limit_s_refusal() -> None:
    target = Target(Provider("p", "openai", "https://a", "k"), "m")
    for own, most in ((None, 16), (100, 16), (3, 3)):
        asked = Responses({"input": "?", "max_output_tokens": own})
        assert asked.native(target, most, stream=False)["max_output_tokens"] == most
        if own != most:
            with pytest.raises(QuotaExceeded):
                asked.native(target, 15, stream=False)


def test_what_others_thought_is_not_passed_on_to_whom_did_not_think_it() -> None:
    target = Target(Provider("p", "openai", "https://a", "k"), "m")
    theirs = {"type": "reasoning", "id": "rs_68f", "summary": [], "encrypted_content": "gAAAAA"}
    told: Json = {"role": "assistant", "content": "Four."}
    chat = {"id": "c", "created": 1, "model": "m", "choices": [{"message": told, "finish_reason": "stop"}]}
    told["reasoning_content"] = "Two and two."
    ours, said = response(chat, {})["output"]
    asked = Responses({"input": [{"role": "user", "content": "?"}, theirs, ours, said, {**ours, "id": "rs_1"}]})
    sealed = {**ours, "id": "rs_2", "encrypted_content": "dcoder1.e30="}
    assert asked.native(target, None, stream=False)["input"] == [
        {"role": "user", "content": "?"},
        theirs,
        said,
        {**ours, "id": "rs_1"},
    ]
    assert Responses({"input": [said, sealed]}).native(target, None, stream=False)["input"] == [said]
    content = [*message(chat)["content"], {"type": "thinking", "thinking": "hm", "signature": "c2ln"}]
    conversation: list[Json] = [{"role": "user", "content": "?"}, {"role": "assistant", "content": content}]
    sent = Messages({"messages": conversation, "max_tokens": 9}, {}).native(target, None, stream=False)
    assert content[0] == {"type": "thinking", "thinking": "Two and two.", "signature": ""}
    assert sent["messages"] == [conversation[0], {"role": "assistant", "content": content[1:]}]


def thinking(budget: int) -> Json:
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


@pytest.mark.parametrize(
    ("asked", "most", "budget"),
    [
        ({"max_tokens": 8000, **thinking(4000)}, 3000, 2999),
        ({"max_tokens": 8000, **thinking(4000)}, 4001, 4000),
        ({"max_tokens": 8000, **thinking(4000)}, 1025, 1024),
        # Beyond the caller's own limit: interleaved thinking, or an error that is the caller's.
        ({"max_tokens": 3000, **thinking(9000)}, 2000, 9000),
        ({"max_tokens": 8000, **thinking(4000)}, None, 4000),
    ],
)
def test_thinking_fits_within_what_a_limit_leaves(asked: Json, most: int | None, budget: int) -> None:
    sent = within_limit(asked, {**asked, "max_tokens": most}, most, "max_tokens")
    assert sent["thinking"]["budget_tokens"] == budget


@pytest.mark.parametrize("odd", [None, {}, [], {"budget_tokens": "many"}, {"type": "adaptive"}])
def test_thinking_without_a_budget_is_left_alone(odd: Any) -> None:
    asked = {"max_tokens": 8000, "thinking": odd}
    assert within_limit(asked, asked, 10, "max_tokens") == asked


def test_too_little_for_any_thinking_is_the_limit_s_refusal() -> None:
    asked = {"max_tokens": 8000, **thinking(4000)}
    with pytest.raises(QuotaExceeded):
        within_limit(asked, asked, 1024, "max_tokens")
    target = Target(Provider("anthropic", "anthropic", "https://a", "k"), "claude-sonnet-4-5")
    chat = {"reasoning_effort": "low", "max_tokens": 8000}
    with pytest.raises(QuotaExceeded):
        ensure_effort_fits(target, chat, 1000)
    ensure_effort_fits(target, chat, 1025)
    ensure_effort_fits(target, {**chat, "reasoning_effort": "none"}, 10)
    ensure_effort_fits(target, {**chat, "reasoning_effort": "odd"}, 10)
    ensure_effort_fits(target, {**chat, "max_tokens": 500}, 10)
    ensure_effort_fits(Target(target.provider, "claude-opus-4-6"), chat, 10)
