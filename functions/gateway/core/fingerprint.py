"""Which requests may share an answer: the exact digest, the conditions, and the question within them."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from functions.gateway.core.models import CacheKey, Json, Target

# Fields that change how the answer travels or is filed, never what it says.
_IRRELEVANT = frozenset(
    {"stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}
)
# Fields with which an answer is more than words that stay as they are.
_UNSHARED = frozenset({"tools", "functions", "audio", "web_search_options", "prediction"})
# What a message may have besides words, or in their place.
_MORE_THAN_WORDS = frozenset({"tool_calls", "function_call", "refusal", "images", "audio"})
_MOST_QUESTION_CHARACTERS = 4000
_ID_CHARACTERS = 32


def cache_key(tenant_id: str, target: Target, body: Json, *, max_temperature: float = 1.0) -> CacheKey | None:
    """The coordinates of a request in the cache, or None when its answer must not be shared.

    Not shared are requests that may call tools, that ask for several answers or for sound, and whose temperature
    asks for surprise.
    """
    if not _may_share(body, max_temperature):
        return None
    relevant = {**body, "model": target.model}
    for name in _IRRELEVANT.intersection(body):
        del relevant[name]
    provider, question = target.provider.name, _last_question(body["messages"])
    return CacheKey(
        tenant_id,
        provider,
        target.model,
        exact=_digest([provider, relevant])[:_ID_CHARACTERS],
        question=question,
        digested=lambda: _conditions(relevant, question),
    )


def may_store(completion: Json) -> bool:
    """Whether an answer may be given again: whole, plain text, ended by itself."""
    choices = completion.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choice := choices[0], dict):
        return False
    message = choice.get("message")
    if choice.get("finish_reason") != "stop" or not isinstance(message, dict):
        return False
    content = message.get("content")
    return isinstance(content, str) and content != "" and not _has_any(message, _MORE_THAN_WORDS)


def _may_share(body: Json, max_temperature: float) -> bool:
    return (
        not _has_any(body, _UNSHARED)
        and body.get("n") in (None, 1)
        and (body.get("temperature") or 0) <= max_temperature
        and "tool" not in [message.get("role") for message in body["messages"]]
    )


def _has_any(thing: Json, fields: frozenset[str]) -> bool:
    return not fields.isdisjoint(thing) and any(map(thing.get, fields))


def _last_question(messages: list[Mapping[str, Any]]) -> str:
    """The text of the last message when a user's words are all it is; else none."""
    last = messages[-1]
    text = last.get("content")
    if isinstance(text, str) and len(text) <= _MOST_QUESTION_CHARACTERS and last.get("role") == "user":
        return text
    return ""


def _conditions(relevant: Json, question: str) -> str:
    """The digest of a request without its question."""
    if not question:
        return _digest(relevant)
    *before, last = relevant["messages"]
    return _digest({**relevant, "messages": [*before, {**last, "content": None}]})


def _digest(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
