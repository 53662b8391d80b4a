"""OpenAI's chat completions and legacy completions; Groq's shape differs in the methods that it overrides."""

import itertools
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import ASGIApp

from local.simulator import tokens
from local.simulator.asks import Answer, Ask, Finish, Usage
from local.simulator.exchange import Exchange
from local.simulator.fields import Json, flag, integer
from local.simulator.listing import RELEASED, Kind, Listing
from local.simulator.replies import answers
from local.simulator.responses import Frame
from local.simulator.wires.openai_requests import chat_ask, completion_asks, wanted_logprobs, wants_usage

_FINISHES = {
    Finish.STOP: "stop",
    Finish.STOP_SEQUENCE: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
}
_ARGUMENT_TOKENS = 4
_DONE = Frame(b"data: [DONE]\n\n")


def sse(body: Json) -> bytes:
    """A server-sent event without a name."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


class ChatShape:
    """The bodies of one chat completion."""

    id_prefix = "chatcmpl-"
    call_prefix = "call_"

    def __init__(self, model: str, *, include_usage: bool = False, most_logprobs: int | None = None) -> None:
        """Takes the model's name, whether the client asked for usage in the stream, and for how many alternatives."""
        self.model = model
        self.most_logprobs = most_logprobs
        self.include_usage = include_usage
        self.id = f"{self.id_prefix}{secrets.token_hex(14)}"
        self.created = int(time.time())

    def usage(self, usage: Usage) -> Json:
        """The usage object."""
        return {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.total,
            "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": usage.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def message(self, answer: Answer) -> Json:
        """The assistant's message of a whole answer."""
        content = None if answer.calls else answer.text
        message: Json = {"role": "assistant", "content": content, "refusal": None, "annotations": []}
        return message | {"tool_calls": self.calls(answer)} if answer.calls else message

    def calls(self, answer: Answer) -> list[Json]:
        """The tool calls of a whole answer."""
        return [
            {
                "id": self.call_id(),
                "type": "function",
                "function": {"name": call.name, "arguments": call.encoded},
            }
            for call in answer.calls
        ]

    def call_id(self) -> str:
        """A new tool call's id."""
        return f"{self.call_prefix}{secrets.token_hex(12)}"

    def whole(self, chosen: list[Answer], usage: Usage | None) -> Json:
        """The body of an answer that is not streamed."""
        body: Json = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [
                {
                    "index": index,
                    "message": self.message(answer),
                    "logprobs": self.logprobs(answer.text),
                    "finish_reason": _FINISHES[answer.finish],
                }
                for index, answer in enumerate(chosen)
            ],
            "service_tier": "default",
            "system_fingerprint": "fp_simulator",
        }
        return body if usage is None else body | {"usage": self.usage(usage)}

    def logprobs(self, text: str) -> Json | None:
        """Each word, which counts as a token here, with made-up probabilities; None where nobody asked."""
        if self.most_logprobs is None:
            return None
        return {"content": [_probable(word, self.most_logprobs) for word in tokens.words(text)], "refusal": None}

    def chunk(self, choices: list[Json]) -> Json:
        """A stream chunk."""
        body = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulator",
            "choices": choices,
        }
        return body | {"usage": None} if self.include_usage else body

    def delta(self, index: int, delta: Json, finish: str | None = None) -> Json:
        """A chunk for one choice."""
        logprobs = self.logprobs(delta["content"]) if delta.get("content") else None
        return self.chunk([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}])

    def opening(self, index: int, answer: Answer) -> Json:
        """The first chunk of a choice."""
        content = None if answer.calls else ""
        return self.delta(index, {"role": "assistant", "content": content, "refusal": None})

    def call_frames(self, index: int, answer: Answer) -> Iterator[Frame]:
        """Tool calls: the name first, then the arguments in pieces."""
        for place, call in enumerate(answer.calls):
            head = {"index": place, "id": self.call_id(), "type": "function"}
            head["function"] = {"name": call.name, "arguments": ""}
            yield Frame(sse(self.delta(index, {"tool_calls": [head]})), tokens.count(call.name))
            for piece in tokens.fragments(call.encoded, _ARGUMENT_TOKENS):
                part = {"index": place, "function": {"arguments": piece}}
                yield Frame(sse(self.delta(index, {"tool_calls": [part]})), tokens.count(piece))

    def closing(self, index: int, answer: Answer, _usage: Usage | None) -> Json:
        """The last chunk of a choice."""
        return self.delta(index, {}, _FINISHES[answer.finish])

    def choice_frames(self, index: int, answer: Answer, usage: Usage | None) -> Iterator[Frame]:
        """One choice from its opening to its finish reason."""
        yield Frame(sse(self.opening(index, answer)))
        for word in tokens.words(answer.text):
            yield Frame(sse(self.delta(index, {"content": word})), tokens.count(word))
        yield from self.call_frames(index, answer)
        yield Frame(sse(self.closing(index, answer, usage)))

    def frames(self, chosen: list[Answer], usage: Usage | None) -> list[Frame]:
        """The whole stream, the choices' chunks taking turns."""
        streams = (self.choice_frames(index, answer, usage) for index, answer in enumerate(chosen))
        frames = [frame for step in itertools.zip_longest(*streams) for frame in step if frame]
        if self.include_usage and usage is not None:
            frames.append(Frame(sse(self.chunk([]) | {"usage": self.usage(usage)})))
        return [*frames, _DONE]


class CompletionShape(ChatShape):
    """The bodies of a legacy completion."""

    id_prefix = "cmpl-"
    echoes: tuple[str, ...] = ()

    def whole(self, chosen: list[Answer], usage: Usage | None) -> Json:
        """The body of an answer that is not streamed."""
        choices = [
            self._choice(index, self._echo(index) + answer.text, answer.finish) for index, answer in enumerate(chosen)
        ]
        body = self._body(choices)
        return body if usage is None else body | {"usage": super().usage(usage)}

    def frames(self, chosen: list[Answer], usage: Usage | None) -> list[Frame]:
        """The whole stream, one choice after the other."""
        frames = []
        for index, answer in enumerate(chosen):
            if echo := self._echo(index):
                frames.append(Frame(sse(self._chunk([self._choice(index, echo, None)]))))
            frames += [
                Frame(sse(self._chunk([self._choice(index, word, None)])), tokens.count(word))
                for word in tokens.words(answer.text)
            ]
            frames.append(Frame(sse(self._chunk([self._choice(index, "", answer.finish)]))))
        if self.include_usage and usage is not None:
            frames.append(Frame(sse(self._body([]) | {"usage": super().usage(usage)})))
        return [*frames, _DONE]

    def _chunk(self, choices: list[Json]) -> Json:
        body = self._body(choices)
        return body | {"usage": None} if self.include_usage else body

    def _body(self, choices: list[Json]) -> Json:
        identity = {"id": self.id, "object": "text_completion", "created": self.created, "model": self.model}
        return {**identity, "choices": choices}

    def _choice(self, index: int, text: str, finish: Finish | None) -> Json:
        reason = None if finish is None else _FINISHES[finish]
        return {"text": text, "index": index, "logprobs": self._columns(text), "finish_reason": reason}

    def _echo(self, index: int) -> str:
        return self.echoes[index] if self.echoes else ""

    def _columns(self, text: str) -> Json | None:
        found = (self.logprobs(text) or {}).get("content")
        if not found:
            return None
        words = [entry["token"] for entry in found]
        return {
            "tokens": words,
            "token_logprobs": [entry["logprob"] for entry in found],
            "top_logprobs": [{top["token"]: top["logprob"] for top in entry["top_logprobs"]} for entry in found],
            "text_offset": [sum(map(len, words[:place])) for place in range(len(words))],
        }


def _probable(word: str, alternatives: int) -> Json:
    entry = {"token": word, "logprob": -0.25, "bytes": list(word.encode())}
    tops = [{**entry, "logprob": -0.25 - place} for place in range(alternatives)]
    return {**entry, "top_logprobs": tops}


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """Chat completions of a provider with OpenAI's wire."""

    listing: Listing
    fields: frozenset[str]
    shape: type[ChatShape] = ChatShape
    most_choices: int = 128

    async def __call__(self, exchange: Exchange) -> ASGIApp:
        """Answer one request."""
        ask = chat_ask(exchange.body, self.fields, self.most_choices)
        exchange.ask_fits(ask, self.listing.of_kind(ask.model, Kind.CHAT))
        bodies = self.shape(ask.model, include_usage=_streams(exchange), most_logprobs=wanted_logprobs(exchange.body))
        return _answered(exchange, ask, answers(ask), bodies)


@dataclass(frozen=True, slots=True)
class CompletionEndpoint:
    """Legacy completions."""

    listing: Listing

    async def __call__(self, exchange: Exchange) -> ASGIApp:
        """Answer one request; its prompts are billed as one call."""
        asks = completion_asks(exchange.body)
        model = self.listing.of_kind(asks[0].model, Kind.COMPLETION)
        body = exchange.body
        made = [answers(ask) for ask in asks]
        wanted = integer(body, "n", low=1) or 1
        chosen = [answer for several in made for answer in several[:wanted]]
        joined = Ask(model=asks[0].model, turns=tuple(turn for ask in asks for turn in ask.turns), plain=True)
        exchange.ask_fits(joined, model)
        bodies = CompletionShape(
            joined.model, include_usage=_streams(exchange), most_logprobs=wanted_logprobs(exchange.body)
        )
        if flag(body, "echo"):
            bodies.echoes = tuple(ask.question for ask in asks for _ in range(wanted))
        unseen = sum(answer.tokens for several in made for answer in several[wanted:])
        return _answered(exchange, joined, chosen, bodies, unseen)


def _streams(exchange: Exchange) -> bool:
    """Whether a stream was asked for that ends with the usage."""
    return flag(exchange.body, "stream") and wants_usage(exchange.body)


def _answered(exchange: Exchange, ask: Ask, chosen: list[Answer], bodies: ChatShape, unseen_tokens: int = 0) -> ASGIApp:
    completion = sum(answer.tokens for answer in chosen) + unseen_tokens
    if not flag(exchange.body, "stream"):
        return exchange.whole_chat(ask, completion, lambda usage: bodies.whole(chosen, usage))
    return exchange.stream(ask, bodies.frames(chosen, exchange.usage(ask.prompt_tokens, completion)))


@dataclass(frozen=True, slots=True)
class ModelEndpoints:
    """The listing of a provider with OpenAI's wire."""

    listing: Listing
    extra: bool = False

    async def all(self, exchange: Exchange) -> ASGIApp:
        """All models."""
        return exchange.json({"object": "list", "data": [self._body(model.id) for model in self.listing.all()]})

    async def one(self, exchange: Exchange) -> ASGIApp:
        """One model."""
        return exchange.json(self._body(exchange.request.path_params["model"]))

    def _body(self, name: str) -> dict[str, Any]:
        model = self.listing.get(name)
        body: Json = {"id": name, "object": "model", "created": RELEASED, "owned_by": model.owner}
        extra = {"active": True, "context_window": model.context, "public_apps": None}
        return body | extra if self.extra else body
