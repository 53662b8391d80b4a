"""How much a call may use at most, told before it is made: a reservation that is too small is an overshot limit."""

import asyncio
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from functions.gateway.core.models import Json, Target, Usage
from functions.gateway.core.ports import Prices
from functions.gateway.core.quota import Need
from functions.gateway.core.tokens import most_tokens, tokenizer_of

# OpenAI's cookbook, "How to count tokens with tiktoken": three for a message and one for a name, three for the reply.
_PER_MESSAGE = 4
_PER_REPLY = 3
# The largest that the vendors' pages name for one image at their highest detail, rounded up.
_PER_ATTACHMENT = 1_600
# OpenAI's that think, which refuse the older name of the limit; others think unless told not to, or when told to.
_OPENAI_THINKS = ("o1", "o3", "o4", "gpt-5")
_THINKS = (*_OPENAI_THINKS, "gemini-2.5", "gemini-3")
_THINKING_FACTOR = 4
# Of a message; what else it has is counted as JSON.
_COUNTED_APART = frozenset({"role", "content"})
LIMITS: Final = ("max_completion_tokens", "max_tokens")
# Counted in a thread from here on: 20,000 characters take about two milliseconds.
_LONG = 20_000


async def chat_need(
    target: Target, body: Json, prices: Prices | None, default_completion: int, *, roughly: bool = False
) -> Need:
    """What a conversation may use.

    Args:
        prices: None where nobody asks what it may cost.
        default_completion: most tokens of an answer where the call sets no limit; four times as many for models that
            think before they answer.
        roughly: by the bytes of its texts, which are never fewer than their tokens and need no vocabulary.
    """
    prompt = _most(body) if roughly else await _prompt(target, body, cautious=True)
    asked = [body[name] for name in LIMITS if body.get(name) is not None]
    thinks = thinks_unasked(target.model) or body.get("thinking") or body.get("reasoning_effort")
    # None at all, to have the prompt kept or echoed, is still a call.
    completion = max(1, min(asked)) if asked else default_completion * (_THINKING_FACTOR if thinks else 1)
    into = out_of = 0
    if prices is not None:
        into, out_of = prices.nano_usd(
            target.provider.kind, target.model, prompt_tokens=prompt, writes_cache=_marks_cache(body)
        )
    return Need(
        tokens=prompt,
        nano_usd=prompt * into,
        completion=completion,
        answers=body.get("n") or 1,
        completion_nano_usd=out_of,
    )


def thinks_unasked(model: str) -> bool:
    """Whether a model thinks before it answers unless it is told not to."""
    return _is_of(_THINKS, model)


async def input_need(target: Target, given: Any, prices: Prices, *, internal: bool) -> Need:
    """What the embedding of texts, or of token ids, may use."""
    texts, tokens = _input(given)
    tokens += _cautiously(target, await _tokens(target, texts))
    into, _ = prices.nano_usd(target.provider.kind, target.model)
    return Need(requests=int(not internal), tokens=tokens, nano_usd=tokens * into)


async def estimated(target: Target, body: Json, written: list[str]) -> Usage:
    """What a call has used that the provider gave no figures of: its texts by the model's own tokenizer.

    Args:
        written: all that the model wrote.
    """
    texts, attachments = _contents(body)
    prompt = await _tokens(target, texts)
    prompt += _PER_MESSAGE * len(body["messages"]) + _PER_REPLY + _PER_ATTACHMENT * attachments
    return Usage(prompt, await _tokens(target, written), estimated=True)


async def estimated_input(target: Target, given: Any) -> Usage:
    """What the embedding of texts, or of token ids, has used where the provider gave no figures."""
    texts, tokens = _input(given)
    return Usage(tokens + await _tokens(target, texts), 0, estimated=True)


def limited(target: Target, body: Json, completion: int) -> Json:
    """The request with its answer limited to so many tokens."""
    named = [name for name in LIMITS if body.get(name)]
    # Servers that only speak like OpenAI may not know the newer name.
    names = named or [LIMITS[0] if _is_of(_OPENAI_THINKS, target.model) else LIMITS[1]]
    return {**body, **dict.fromkeys(names, completion)}


def _marks_cache(body: Json) -> bool:
    """Whether a request has Anthropic's mark that part of its prompt is to be kept."""
    messages = body["messages"]
    tools = body.get("tools")
    carriers = [body, *messages, *(tools if isinstance(tools, list) else ())]
    for message in messages:
        if isinstance(content := message.get("content"), list):
            carriers += content
    return any(isinstance(carrier, dict) and carrier.get("cache_control") for carrier in carriers)


async def prompt_tokens(target: Target, body: Json) -> int:
    """The tokens of a conversation's prompt, as near as they can be told without asking the provider."""
    return await _prompt(target, body, cautious=False)


def _most(body: Json) -> int:
    texts, attachments = _contents(body)
    return most_tokens(texts) + _PER_MESSAGE * len(body["messages"]) + _PER_REPLY + _PER_ATTACHMENT * attachments


async def _prompt(target: Target, body: Json, *, cautious: bool) -> int:
    texts, attachments = _contents(body)
    counted = await _tokens(target, texts)
    if cautious:
        counted = _cautiously(target, counted)
    return counted + _PER_MESSAGE * len(body["messages"]) + _PER_REPLY + _PER_ATTACHMENT * attachments


def _input(given: Any) -> tuple[list[str], int]:
    """The texts of an embedding's input, and how many tokens are given as ids."""
    parts = given if isinstance(given, list) else [given]
    ids = sum(len(part) if isinstance(part, list) else 1 for part in parts if not isinstance(part, str))
    return [part for part in parts if isinstance(part, str)], ids


async def _tokens(target: Target, texts: list[str]) -> int:
    text = "\n".join(texts)
    tokenizer = tokenizer_of(target.model)
    return await asyncio.to_thread(tokenizer.count, text) if len(text) > _LONG else tokenizer.count(text)


def _cautiously(target: Target, counted: int) -> int:
    """So many tokens, or more where they were counted by a likeness of the model's own vocabulary."""
    if tokenizer_of(target.model).exact and _is_openai(target.provider.base_url):
        return counted
    # Somebody else's vocabulary: half as much again is more than any was seen to differ.
    return counted + (counted + 1) // 2


@lru_cache(maxsize=1024)
def _is_openai(base_url: str) -> bool:
    return urlsplit(base_url).hostname == "api.openai.com"


def _contents(body: Json) -> tuple[list[str], int]:
    """All text that the provider counts, and how many parts are no text."""
    texts: list[str] = []
    attachments = 0
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list):
            texts += [str(part["text"]) for part in content if part.get("text")]
            attachments += sum(not part.get("text") for part in content)
        if not message.keys() <= _COUNTED_APART:
            rest = {name: value for name, value in message.items() if name not in _COUNTED_APART}
            texts.append(orjson.dumps(rest).decode())
    if asked := {name: body[name] for name in ("tools", "functions", "response_format") if body.get(name)}:
        texts.append(orjson.dumps(asked).decode())
    return texts, attachments


@lru_cache(maxsize=1024)
def _is_of(families: tuple[str, ...], model: str) -> bool:
    return model.lower().rpartition("/")[2].startswith(families)
