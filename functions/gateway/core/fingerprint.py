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
_UNSHARED = ("tools", "functions", "audio", "web_search_options", "prediction")
_MOST_QUESTION_CHARACTERS = 4000
_ID_CHARACTERS = 32


def cache_key(tenant_id: str, target: Target, body: Json, *, max_temperature: float = 1.0) -> CacheKey | None:
    """The coordinates of a request in the cache, or None when its answer must not be shared.

    Not shared are requests that may call tools, that ask for several answers or for sound, and whose temperature
    asks for surprise.
    """
    if not _may_share(body, max_temperature):
        return None
    relevant = {name: value for name, value in body.items() if name not in _IRRELEVANT}
    relevant["model"] = target.model
    question, rest = _last_question(body["messages"])
    conditions = {**relevant, "messages": rest}
    return CacheKey(
        tenant_id=tenant_id,
        provider=target.provider.name,
        model=target.model,
        conditions=_digest(conditions),
        exact=_digest([target.provider.name, relevant])[:_ID_CHARACTERS],
        question=question,
    )


def may_store(completion: Json) -> bool:
    """Whether an answer may be given again: whole, plain text, ended by itself."""
    choices = completion.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], Mapping):
        return False
    message = choices[0].get("message")
    return (
        choices[0].get("finish_reason") == "stop"
        and isinstance(message, Mapping)
        and isinstance(message.get("content"), str)
        and bool(message["content"])
        and not message.get("tool_calls")
        and not message.get("function_call")
        and not message.get("refusal")
        and not message.get("images")
        and not message.get("audio")
    )


def _may_share(body: Json, max_temperature: float) -> bool:
    return (
        not any(map(body.get, _UNSHARED))
        and body.get("n") in (None, 1)
        and (body.get("temperature") or 0) <= max_temperature
        and not any(message.get("role") == "tool" for message in body["messages"])
    )


def _last_question(messages: list[Mapping[str, Any]]) -> tuple[str, list[Any]]:
    """The text of the last message when a user's words are all it is, and the messages with it taken out."""
    last = messages[-1]
    text = last.get("content")
    if last.get("role") == "user" and isinstance(text, str) and 0 < len(text) <= _MOST_QUESTION_CHARACTERS:
        return text, [*messages[:-1], {**last, "content": None}]
    return "", messages


def _digest(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
