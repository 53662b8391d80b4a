"""OpenAI's embeddings."""

import base64
from typing import Any

from starlette.types import ASGIApp

from local.simulator import tokens
from local.simulator.embeddings import DIMENSIONS, EmbeddingsUnavailable
from local.simulator.exchange import Exchange
from local.simulator.faults import Fault
from local.simulator.fields import Json, integer, known_only, required_text
from local.simulator.listing import OPENAI, Kind
from local.simulator.refusals import Problem, Refusal, invalid, missing

_FIELDS = ("dimensions", "encoding_format", "input", "model", "user")
_MOST_INPUTS = 2048


async def embeddings(exchange: Exchange) -> ASGIApp:
    """One vector for each input, as floats or as base64 of little-endian float32."""
    body = exchange.body
    name = required_text(body, "model")
    known_only(body, _FIELDS)
    texts = _inputs(body.get("input"))
    encoding = body.get("encoding_format") or "float"
    if encoding not in {"float", "base64"}:
        raise invalid("encoding_format", f"'{encoding}' is not one of float, base64")
    dimensions = integer(body, "dimensions", low=1, high=DIMENSIONS) or DIMENSIONS
    model = OPENAI.of_kind(name, Kind.EMBEDDING)
    counts = [tokens.count(text) for text in texts]
    if max(counts) > model.context:
        raise Refusal(Problem.CONTEXT_LENGTH, field="input", model=name, limit=model.context, tokens=max(counts))
    vectors = await vectors_of(exchange, texts, dimensions)
    total = sum(counts)
    exchange.bill_embeddings(name, total)
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, encoding)}
        for index, vector in enumerate(vectors)
    ]
    reply: Json = {"object": "list", "data": data, "model": name}
    if (usage := exchange.usage(total, 0)) is not None:
        reply["usage"] = {"prompt_tokens": usage.prompt, "total_tokens": usage.total}
    return exchange.json(reply)


async def vectors_of(exchange: Exchange, texts: list[str], dimensions: int) -> list[Any]:
    """Vectors of `texts`; the provider's server error when there is no model."""
    if exchange.conduct.fault is Fault.ERROR_MID_STREAM:
        raise Refusal(Problem.INTERNAL)
    try:
        return list(await exchange.simulator.engine.embed(texts, dimensions))
    except EmbeddingsUnavailable as error:
        raise Refusal(Problem.UNAVAILABLE, str(error)) from error


def _inputs(value: Any) -> list[str]:
    if value is None:
        raise missing("input")
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise invalid("input", "expected a string or an array of strings")
    if len(items) > _MOST_INPUTS:
        raise invalid("input", f"array too long, expected at most {_MOST_INPUTS} items, but got {len(items)}")
    if all(isinstance(item, int) for item in items):
        return [_spelled(items)]
    if all(isinstance(item, list) and item and all(isinstance(token, int) for token in item) for item in items):
        return [_spelled(item) for item in items]
    if not all(isinstance(item, str) and item for item in items):
        raise invalid("input", "input cannot be an empty string")
    return items


def _spelled(token_ids: list[int]) -> str:
    """Tokens as text: each is a word of its own."""
    return " ".join(f"t{token}"[:6] for token in token_ids)


def _encoded(vector: Any, encoding: str) -> Any:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode() if encoding == "base64" else vector
