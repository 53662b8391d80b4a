"""Google's generateContent, as the Gemini API and Vertex AI speak it."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.types import ASGIApp

from local.simulator import tokens
from local.simulator.asks import Answer, Ask, Finish, Usage
from local.simulator.exchange import Exchange
from local.simulator.fields import Json, tables
from local.simulator.listing import GOOGLE, Kind, Model
from local.simulator.refusals import Problem, Refusal
from local.simulator.replies import answers
from local.simulator.responses import Frame
from local.simulator.wires.google_embeddings import batch_embed, embed, predict
from local.simulator.wires.google_requests import content_ask

_FINISHES = {
    Finish.STOP: "STOP",
    Finish.STOP_SEQUENCE: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.TOOL_CALLS: "STOP",
}
_CHUNK_WORDS = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """The bodies of one generateContent answer."""

    model: str
    vertex: bool
    id: str
    created: str

    @classmethod
    def to(cls, ask: Ask, *, vertex: bool) -> "Reply":
        """A new answer to `ask`."""
        created = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return cls(ask.model, vertex, secrets.token_urlsafe(16), created)

    def body(self, candidates: list[Json], usage: Usage | None, *, final: bool = True) -> Json:
        """A whole answer or a chunk of a stream; both have the same shape."""
        body: Json = {"candidates": candidates, "modelVersion": self.model, "responseId": self.id}
        if self.vertex:
            body["createTime"] = self.created
        return body if usage is None else body | {"usageMetadata": self._usage(usage, final=final)}

    def candidate(self, index: int, parts: list[Json], finish: Finish | None) -> Json:
        """A choice, or a piece of one when it has no finish yet."""
        candidate: Json = {"content": {"parts": parts, "role": "model"}}
        if index or not self.vertex:
            # Vertex AI leaves out what protobuf takes for granted.
            candidate["index"] = index
        if finish is None:
            return candidate
        if self.vertex:
            candidate["avgLogprobs"] = -0.01
        return candidate | {"finishReason": _FINISHES[finish]}

    def _usage(self, usage: Usage, *, final: bool) -> Json:
        counted: Json = {
            "promptTokenCount": usage.prompt,
            "candidatesTokenCount": usage.completion - usage.reasoning,
            "totalTokenCount": usage.total,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt}],
        }
        if usage.cached:
            counted["cachedContentTokenCount"] = usage.cached
        if usage.reasoning:
            counted["thoughtsTokenCount"] = usage.reasoning
        if final:
            told = usage.completion - usage.reasoning
            counted["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": told}]
        return counted | {"trafficType": "ON_DEMAND"} if self.vertex else counted


def _parts(answer: Answer) -> list[Json]:
    if answer.calls:
        return [{"functionCall": {"name": call.name, "args": call.arguments}} for call in answer.calls]
    return [{"text": answer.text}]


def _pieces(answer: Answer) -> Iterator[tuple[list[Json], int]]:
    """Parts of each chunk, with their tokens."""
    if answer.calls:
        yield _parts(answer), answer.tokens
        return
    words = tokens.words(answer.text)
    for start in range(0, len(words), _CHUNK_WORDS):
        text = "".join(words[start : start + _CHUNK_WORDS])
        yield [{"text": text}], tokens.count(text)
    if not words:
        yield [{"text": ""}], 0


def _chunks(reply: Reply, chosen: list[Answer], usage: Usage | None) -> Iterator[tuple[Json, int]]:
    """Chunks with their tokens; each reports the usage up to itself."""
    sent = 0
    for index, answer in enumerate(chosen):
        pieces = list(_pieces(answer))
        for place, (parts, count) in enumerate(pieces):
            last = place == len(pieces) - 1
            candidate = reply.candidate(index, parts, answer.finish if last else None)
            sent += count
            so_far = None if usage is None else _up_to(usage, sent)
            yield reply.body([candidate], so_far, final=last and index == len(chosen) - 1), count


def _up_to(usage: Usage, sent: int) -> Usage:
    told = min(sent, usage.completion)
    return replace(usage, completion=told, reasoning=min(usage.reasoning, told))


def _event_frames(chunks: Iterator[tuple[Json, int]]) -> list[Frame]:
    return [Frame(b"data: " + orjson.dumps(chunk) + b"\r\n\r\n", count) for chunk, count in chunks]


def _array_frames(chunks: Iterator[tuple[Json, int]]) -> list[Frame]:
    """One JSON array, an element a frame."""
    encoded = [(orjson.dumps(chunk), count) for chunk, count in chunks]
    opened = [Frame((b"[" if place == 0 else b",\r\n") + data, count) for place, (data, count) in enumerate(encoded)]
    return [*opened, Frame(b"]")]


async def _generate(exchange: Exchange, name: str, *, vertex: bool) -> ASGIApp:
    ask, chosen = _answered(exchange, name)
    reply = Reply.to(ask, vertex=vertex)
    candidates = [reply.candidate(index, _parts(answer), answer.finish) for index, answer in enumerate(chosen)]
    completion = sum(answer.tokens for answer in chosen)
    return exchange.whole_chat(ask, completion, lambda usage: reply.body(candidates, usage))


async def _stream(exchange: Exchange, name: str, *, vertex: bool) -> ASGIApp:
    ask, chosen = _answered(exchange, name)
    usage = exchange.usage(ask.prompt_tokens, sum(answer.tokens for answer in chosen))
    chunks = _chunks(Reply.to(ask, vertex=vertex), chosen, usage)
    if exchange.request.query_params.get("alt") == "sse":
        return exchange.stream(ask, _event_frames(chunks))
    return exchange.stream(ask, _array_frames(chunks), "application/json")


def _answered(exchange: Exchange, name: str) -> tuple[Ask, list[Answer]]:
    model = GOOGLE.of_kind(name, Kind.CHAT)
    ask = content_ask(exchange.body, name)
    exchange.ask_fits(ask, model)
    return ask, answers(ask)


async def _count(exchange: Exchange, name: str) -> ASGIApp:
    GOOGLE.of_kind(name, Kind.CHAT)
    wrapped = tables(exchange.body, "generateContentRequest") or tables(exchange.body, "generate_content_request")
    request = {key: value for key, value in (wrapped or [exchange.body])[0].items() if key != "model"}
    total = content_ask(request, name).prompt_tokens
    return exchange.json({"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]})


Method = Callable[[Exchange, str], Any]

_METHODS: dict[str, Method] = {
    "countTokens": _count,
    "embedContent": embed,
    "batchEmbedContents": batch_embed,
}
_GEMINI: dict[str, Method] = {
    **_METHODS,
    "generateContent": lambda exchange, name: _generate(exchange, name, vertex=False),
    "streamGenerateContent": lambda exchange, name: _stream(exchange, name, vertex=False),
}
_VERTEX: dict[str, Method] = {
    "countTokens": _count,
    "embedContent": embed,
    "predict": predict,
    "generateContent": lambda exchange, name: _generate(exchange, name, vertex=True),
    "streamGenerateContent": lambda exchange, name: _stream(exchange, name, vertex=True),
}


async def gemini(exchange: Exchange) -> ASGIApp:
    """`POST /v1beta/models/{model}:{method}`."""
    return await _dispatched(exchange, _GEMINI)


async def vertex(exchange: Exchange) -> ASGIApp:
    """`POST /v1/projects/{project}/locations/{location}/publishers/google/models/{model}:{method}`."""
    return await _dispatched(exchange, _VERTEX)


async def _dispatched(exchange: Exchange, methods: dict[str, Method]) -> ASGIApp:
    name, _, method = exchange.request.path_params["call"].rpartition(":")
    if method not in methods:
        raise Refusal(Problem.UNKNOWN_ROUTE)
    answer: ASGIApp = await methods[method](exchange, name)
    return answer


async def list_models(exchange: Exchange) -> ASGIApp:
    """`GET /v1beta/models`."""
    return exchange.json({"models": [_model(model, model.id) for model in GOOGLE.all()]})


async def list_uploaded_models(exchange: Exchange) -> ASGIApp:
    """`GET /v1/projects/{project}/locations/{location}/models`: the project's own, of which there are none."""
    return exchange.json({})


async def get_model(exchange: Exchange) -> ASGIApp:
    """`GET /v1beta/models/{model}`."""
    name = exchange.request.path_params["model"]
    return exchange.json(_model(GOOGLE.get(name), name))


def _model(model: Model, name: str) -> Json:
    embeds = model.kind is Kind.EMBEDDING
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "description": "A simulated model.",
        "inputTokenLimit": model.context,
        "outputTokenLimit": 1 if embeds else 65_536,
        "supportedGenerationMethods": [
            *(("embedContent", "batchEmbedContents") if embeds else ("generateContent", "streamGenerateContent")),
            "countTokens",
        ],
    }
