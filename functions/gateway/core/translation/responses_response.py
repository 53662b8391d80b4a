"""OpenAI's completion as a response of its Responses API, and the other way round.

Source: platform.openai.com/docs/api-reference/responses/object.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from functions.gateway.core.models import Json
from functions.gateway.core.translation.answers import Head, usage_object, written_to_cache
from functions.gateway.core.translation.reasoning_items import reasoning_item, thoughts_of

# What the answer repeats of its request, and what it says where the request said nothing.
_ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_FINISHES = {"max_output_tokens": "length", "content_filter": "content_filter"}
_PLAIN_ITEMS = frozenset({"message", "reasoning", "function_call"})


def response(completion: Json, request: Json) -> Json:
    """The response that says what the completion's first choice says.

    Raises:
        KeyError, TypeError: the completion is not in OpenAI's format.
    """
    choice = completion["choices"][0]
    whole = blank(request, completion["model"], completion["created"])
    whole["output"] = list(_items(choice))
    return ended(whole, choice["finish_reason"], completion.get("usage"))


def blank(request: Json, model: str, created: int) -> Json:
    """A response before anything is said."""
    echoed = {name: default if request.get(name) is None else request[name] for name, default in _ECHOED.items()}
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "previous_response_id": None,
        "store": False,
        **echoed,
        "usage": None,
    }


def ended(whole: Json, finish: str | None, usage: Mapping[str, Any] | None) -> Json:
    """The response at its end."""
    why = _INCOMPLETE.get(str(finish))
    return {
        **whole,
        "status": "incomplete" if why else "completed",
        "completed_at": None if why else int(time.time()),
        "incomplete_details": {"reason": why} if why else None,
        "usage": None if usage is None else _usage_of(usage),
    }


def message_item(content: list[Json], status: str = "completed") -> Json:
    """What the model said."""
    return {"id": f"msg_{uuid4().hex}", "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str, logprobs: list[Json]) -> Json:
    """Words."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def call_item(call_id: str | None, name: str, arguments: str, status: str = "completed") -> Json:
    """The call of a function; some providers give it no id, without which its result could not be sent."""
    return {
        "id": f"fc_{uuid4().hex}",
        "type": "function_call",
        "status": status,
        "call_id": call_id or f"call_{uuid4().hex}",
        "name": name,
        "arguments": arguments,
    }


def chat_completion(answer: Json) -> Json:
    """The completion that says what a response says.

    Raises:
        KeyError, TypeError: the response is not in OpenAI's format.
    """
    output: list[Json] = answer["output"]
    parts = [part for item in output if item["type"] == "message" for part in item["content"]]
    calls = [
        {"id": i["call_id"], "type": "function", "function": {"name": i["name"], "arguments": i["arguments"]}}
        for i in output
        if i["type"] == "function_call"
    ]
    said: Json = {
        "role": "assistant",
        "content": "".join(part["text"] for part in parts if part["type"] == "output_text"),
        "refusal": "".join(part["refusal"] for part in parts if part["type"] == "refusal") or None,
        **({"tool_calls": calls} if calls else {}),
    }
    logprobs = [entry for part in parts for entry in part.get("logprobs") or ()]
    choice = {
        "index": 0,
        "message": said,
        "logprobs": {"content": logprobs} if logprobs else None,
        "finish_reason": finish_of(answer),
    }
    head = Head(answer["id"], answer["model"], int(answer["created_at"]))
    return head.completion([choice], chat_usage(answer))


def finish_of(answer: Json) -> str:
    """Why a response ended, in a chat's words. What a chat has no words for is not given again to others."""
    if answer.get("status") == "incomplete":
        return _FINISHES.get(str((answer.get("incomplete_details") or {}).get("reason")), "length")
    kinds = {item["type"] for item in answer["output"]}
    if answer.get("status") != "completed" or kinds - _PLAIN_ITEMS:
        return "other"
    return "tool_calls" if "function_call" in kinds else "stop"


def chat_usage(answer: Mapping[str, Any]) -> Json | None:
    """A chat's `usage`; None when OpenAI does not say. What failed and has none cost nothing."""
    usage = answer.get("usage")
    if not usage:
        return usage_object(0, 0, cached=0, reasoning=None) if answer.get("status") == "failed" else None
    read, made = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    whole = usage_object(
        usage["input_tokens"],
        usage["output_tokens"],
        cached=read.get("cached_tokens") or 0,
        reasoning=made.get("reasoning_tokens"),
    )
    if written := read.get("cache_write_tokens"):
        whole["prompt_tokens_details"]["cache_write_tokens"] = written
    return whole


def _usage_of(usage: Mapping[str, Any]) -> Json:
    prompt, made = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    read, thought = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": read.get("cached_tokens") or 0,
            "cache_write_tokens": written_to_cache(read),
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": thought.get("reasoning_tokens") or 0},
        "total_tokens": prompt + made,
    }


def _items(choice: Mapping[str, Any]) -> Iterator[Json]:
    said = choice["message"]
    words = said.get("reasoning_content") or said.get("reasoning") or ""
    if thought := reasoning_item(words, thoughts_of(said)):
        yield thought
    parts: list[Json] = []
    if said.get("content"):
        parts.append(text_part(said["content"], (choice.get("logprobs") or {}).get("content") or []))
    if said.get("refusal"):
        parts.append({"type": "refusal", "refusal": said["refusal"]})
    calls = said.get("tool_calls") or ()
    if parts or not calls:
        yield message_item(parts or [text_part("", [])])
    for call in calls:
        yield call_item(call.get("id"), call["function"]["name"], call["function"]["arguments"] or "{}")
