"""Google's embeddings: embedContent and batchEmbedContents, and Vertex AI's predict."""

from typing import Any

from starlette.types import ASGIApp

from local.simulator import tokens
from local.simulator.embeddings import DIMENSIONS
from local.simulator.exchange import Exchange
from local.simulator.fields import Json, integer, table, tables
from local.simulator.listing import GOOGLE, Kind
from local.simulator.refusals import invalid, missing
from local.simulator.wires.google_requests import camel, content_text
from local.simulator.wires.openai_embeddings import vectors_of

_MOST_INPUTS = 100


async def embed(exchange: Exchange, name: str) -> ASGIApp:
    """One vector for one content."""
    vectors, usage = await _embedded(exchange, name, [_text(exchange.body)], _dimensions(exchange.body))
    return exchange.json({"embedding": {"values": vectors[0]}, **usage})


async def batch_embed(exchange: Exchange, name: str) -> ASGIApp:
    """One vector for each request; all of the dimensions that the first asks for."""
    requests = tables(exchange.body, "requests")
    if not requests:
        raise missing("requests")
    if len(requests) > _MOST_INPUTS:
        raise invalid("requests", f"at most {_MOST_INPUTS} requests can be in one batch")
    texts = [_text(request) for request in requests]
    vectors, usage = await _embedded(exchange, name, texts, _dimensions(requests[0]))
    return exchange.json({"embeddings": [{"values": vector} for vector in vectors], **usage})


async def predict(exchange: Exchange, name: str) -> ASGIApp:
    """Vertex AI's older form: one prediction for each instance."""
    texts = [str(instance.get("content") or "") for instance in tables(exchange.body, "instances")]
    if not texts or not all(texts):
        raise missing("instances.content")
    parameters = table(exchange.body, "parameters")
    vectors, _ = await _embedded(exchange, name, texts, _dimensions(parameters))
    predictions = [
        {"embeddings": {"values": vector, "statistics": {"truncated": False, "token_count": _reported(exchange, text)}}}
        for vector, text in zip(vectors, texts, strict=True)
    ]
    characters = sum(len("".join(text.split())) for text in texts)
    return exchange.json({"predictions": predictions, "metadata": {"billableCharacterCount": characters}})


def _reported(exchange: Exchange, text: str) -> int:
    usage = exchange.usage(tokens.count(text), 0)
    return usage.prompt if usage else 0


def _text(request: Json) -> str:
    content = request.get("content")
    if content is None:
        raise missing("content")
    text = content_text(content)
    if not text:
        raise invalid("content", "the content must not be empty")
    return text


def _dimensions(body: Json) -> int:
    config = camel(table(camel(body), "embedContentConfig"))
    flat = integer(camel(body), "outputDimensionality", low=1, high=DIMENSIONS)
    return flat or integer(config, "outputDimensionality", low=1, high=DIMENSIONS) or DIMENSIONS


async def _embedded(exchange: Exchange, name: str, texts: list[str], dimensions: int) -> tuple[list[Any], Json]:
    GOOGLE.of_kind(name, Kind.EMBEDDING)
    vectors = await vectors_of(exchange, texts, dimensions)
    total = sum(tokens.count(text) for text in texts)
    exchange.bill_embeddings(name, total)
    usage = exchange.usage(total, 0)
    return vectors, {} if usage is None else {"usageMetadata": {"promptTokenCount": usage.prompt}}
